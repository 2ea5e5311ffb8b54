//! How the commands of QubesDB and its daemon end.

use qfile_tests::process::run;
use qfile_tests::qubesdb::Place;

/// The command without the name that all have in common.
fn ends(program: &str, with_daemon: bool, arguments: &[&str], code: i32) {
    let place = Place::new();
    let _daemon = with_daemon.then(|| {
        let daemon = place.alone();
        place
            .run("write", &["/a", "v", "/empty", ""])
            .assert_code(0);
        daemon
    });
    let name = program.strip_prefix("qubesdb-").unwrap();
    place.run(name, arguments).assert_code(code);
}

pub(crate) fn a_key_is_used(program: &str) {
    ends(program, true, &["/a"], 0);
}

pub(crate) fn a_key_is_changed(program: &str) {
    match program {
        "qubesdb-write" => ends(program, true, &["/b", "w"], 0),
        _ => ends(program, true, &["-n", "0", "/b"], 0),
    }
}

pub(crate) fn no_daemon_is_there(program: &str) {
    match program {
        "qubesdb-write" => ends(program, false, &["/a", "v"], 1),
        _ => ends(program, false, &["/a"], 1),
    }
}

pub(crate) fn a_key_is_missing(program: &str) {
    ends(program, true, &["/none"], 2);
}

pub(crate) fn a_value_is_empty(program: &str) {
    ends(program, true, &["/empty"], 1);
}

pub(crate) fn a_status_is_chosen(program: &str) {
    ends(program, true, &["/none", "17"], 17);
}

pub(crate) fn no_key_is_named(program: &str) {
    ends(program, true, &[], 3);
}

pub(crate) fn nothing_is_asked(program: &str) {
    ends(program, false, &[], 0);
}

pub(crate) fn a_command_fails(program: &str) {
    ends(program, false, &["-c", "read", "/a"], 1);
}

pub(crate) fn the_daemon_is_told_to_end(_: &str) {
    assert_eq!(Place::new().alone().stop().0, Some(0));
}

pub(crate) fn the_daemon_has_no_folder(_: &str) {
    let place = Place::new();
    let mut command = place.daemon_command("none/none", 0, &["--foreground", "--alone", "0"]);
    command.env_remove("NOTIFY_SOCKET");
    run(command).assert_code(1);
}

pub(crate) fn the_daemon_has_no_domain(_: &str) {
    run(Place::new().daemon_command("qube", 0, &[])).assert_code(2);
}
