//! A RemoteVM of Qubes OS: the service of its local relay, over a real sshd, to a relay on the other
//! machine. There, a script that records its arguments stands in for `qrexec-client-vm`; QubesDB is
//! the project's.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use qfile_tests::process::{Finished, run};
use qfile_tests::programs::rpc_folder;
use qfile_tests::qubesdb::Place;
use qfile_tests::ssh::{CALLER, Far, needs_sshd, with_far};
use qfile_tests::suite;
use qfile_tests::user::{install, make_folders};

suite! {
    a_call_reaches_the_qube_that_qubesdb_names [needs_sshd],
    a_refusal_of_dom0_there_is_the_status [needs_sshd],
    what_is_wrong_is_told_and_nothing_is_called [needs_sshd],
    a_line_of_remotes_conf_names_the_same_qube_or_none [needs_sshd],
    a_relay_without_qrexec_says_so [needs_sshd],
}

/// What stands in for the client of qrexec there.
fn stand_in(far: &Far, script: &str) {
    let draft = far.root().join("draft");
    let record = far.home().join("record");
    let text = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >'{}'\n{script}\n",
        record.display()
    );
    fs::write(&draft, text).unwrap();
    install(&draft, &far.programs().join("qrexec-client-vm"), 0o755);
    far.set_key_options(&["--as", CALLER, "--may-speak-for", "*", "--relay"]);
    // The policy of dom0 decides, and no other.
    far.set_policy("* * * * deny\n");
}

fn recorded(far: &Far) -> Option<String> {
    fs::read_to_string(far.home().join("record")).ok()
}

/// Calls the service of the local relay.
fn call(far: &Far, place: &Place, argument: &str, caller: &str) -> Finished {
    let mut command = Command::new(rpc_folder().join("qubesair.SSHProxy"));
    let client = far.command("qrexec-ssh");
    let variables = client.get_envs();
    command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
    command
        .env("QUBESDB_DIR", place.sockets("qube"))
        .env("QREXEC_REMOTE_DOMAIN", caller)
        .arg(argument);
    run(command)
}

fn a_call_reaches_the_qube_that_qubesdb_names() {
    with_far(|far| {
        let place = Place::new();
        let _daemon = place.alone();
        place
            .run("write", &["/remote/server", "office"])
            .assert_code(0);
        stand_in(far, "echo answered; exit 5");
        let called = call(far, &place, "server+svc+a+b", "work");
        called.assert_code(5);
        assert_eq!(called.stdout, b"answered\n");
        let words = format!("--source-qube={CALLER}--work\noffice\nsvc+a+b\n");
        assert_eq!(recorded(far).unwrap(), words);
        // A call that is not a RemoteVM's goes where dom0 there sends it.
        far.call(&["svc"]).assert_code(5);
        let words = format!("--source-qube={CALLER}\n@default\nsvc+\n");
        assert_eq!(recorded(far).unwrap(), words);
    });
}

fn a_refusal_of_dom0_there_is_the_status() {
    with_far(|far| {
        let place = Place::new();
        let _daemon = place.alone();
        place
            .run("write", &["/remote/server", "office"])
            .assert_code(0);
        stand_in(far, "exit 126");
        call(far, &place, "server+svc", "work").assert_code(126);
        assert!(recorded(far).is_some());
    });
}

fn what_is_wrong_is_told_and_nothing_is_called() {
    with_far(|far| {
        let place = Place::new();
        let _daemon = place.alone();
        place
            .run("write", &["/remote/server", "office"])
            .assert_code(0);
        place.run("write", &["/remote/bad", "../x"]).assert_code(0);
        stand_in(far, "exit 0");
        for (argument, caller, says) in [
            ("missing+svc", "work", "/remote/missing"),
            ("bad+svc", "work", "no name of a qube"),
            ("@default+svc", "work", "dom0 passed @default on"),
            ("server", "work", "REMOTE+SERVICE"),
            ("server+../svc", "work", "SERVICE"),
            ("server+svc", "../x", "QREXEC_REMOTE_DOMAIN"),
            ("", "work", "REMOTE+SERVICE"),
        ] {
            let called = call(far, &place, argument, caller);
            called.assert_code(126);
            called.assert_says(says);
            assert_eq!(recorded(far), None, "{argument}");
        }
        // The key decides for whom it speaks.
        far.set_key_options(&["--as", CALLER, "--may-speak-for", "vault", "--relay"]);
        let called = call(far, &place, "server+svc", "work");
        called.assert_code(126);
        called.assert_says("cannot call for work");
        assert_eq!(recorded(far), None);
    });
}

fn a_line_of_remotes_conf_names_the_same_qube_or_none() {
    with_far(|far| {
        let place = Place::new();
        let _daemon = place.alone();
        place
            .run("write", &["/remote/server", "office"])
            .assert_code(0);
        stand_in(far, "exit 5");
        let file = make_folders(&far.near(), ".config/qfile").join("remotes.conf");
        for (line, status) in [
            ("server = server vault\n", 126),
            ("server = server @dispvm\n", 126),
            ("server = server office\n", 5),
            ("server = server\n", 5),
        ] {
            fs::write(&file, line).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
            let called = call(far, &place, "server+svc", "work");
            called.assert_code(status);
            assert_eq!(recorded(far).is_some(), status == 5, "{line}");
            if status == 126 {
                called.assert_says("and dom0 says office");
            }
        }
    });
}

fn a_relay_without_qrexec_says_so() {
    with_far(|far| {
        far.set_key_options(&["--as", CALLER, "--relay"]);
        let called = far.call(&["svc"]);
        called.assert_code(125);
        called.assert_says("qrexec-client-vm");
    });
}
