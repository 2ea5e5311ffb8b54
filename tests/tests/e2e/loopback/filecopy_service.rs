//! The service file `rpc/qubes.Filecopy`, with a receiver and a bookmark script of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use qfile_tests::process::{Finished, run};
use qfile_tests::programs::rpc_folder;
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::install;

suite! {
    the_receiver_is_told_whether_all_names_are_allowed,
    any_other_argument_is_refused,
    the_bookmark_script_has_nothing_of_the_call_and_does_not_delay_it,
}

/// A folder of programs in which the receiver says how it was started.
fn libdir() -> TempFolder {
    let libdir = TempFolder::open_to_all();
    set_program(
        libdir.path(),
        "qfile-unpacker",
        r#"echo "received $*"; exit 7"#,
    );
    libdir
}

fn set_program(libdir: &Path, name: &str, script: &str) {
    let draft = libdir.join("draft");
    fs::write(&draft, format!("#!/bin/sh\n{script}\n")).unwrap();
    install(&draft, &libdir.join(name), 0o755);
}

fn serve(libdir: &TempFolder, arguments: &[&str]) -> Finished {
    let mut service = Command::new(rpc_folder().join("qubes.Filecopy"));
    service.args(arguments).env("QFILE_LIBDIR", libdir.path());
    run(service)
}

fn fifo(libdir: &TempFolder, name: &str) -> PathBuf {
    let fifo = libdir.path().join(name);
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    fifo
}

fn the_receiver_is_told_whether_all_names_are_allowed() {
    for (arguments, told) in [
        (&[][..], ""),
        (&[""], ""),
        (&["allow-all-names"], " --allow-all-names"),
    ] {
        let served = serve(&libdir(), arguments);
        served.assert_code(7);
        let told = format!("received --require-isolation=user-namespace{told}\n");
        assert_eq!(String::from_utf8(served.stdout).unwrap(), told);
    }
}

fn any_other_argument_is_refused() {
    for argument in [
        " ",
        "allow-all-name",
        "--allow-all-names",
        "allow-all-names x",
        "*",
        "1000",
    ] {
        let served = serve(&libdir(), &[argument]);
        served.assert_code(1);
        served.assert_says("qubes.Filecopy: ");
        assert_eq!(served.stdout, b"", "{argument}");
    }
}

fn the_bookmark_script_has_nothing_of_the_call_and_does_not_delay_it() {
    let libdir = libdir();
    // One for each direction: a child that another test is just starting may hold our end of one for
    // a moment, and a test that reads what it wrote itself waits for nothing.
    let [go_on, done] = ["go-on", "done"].map(|name| fifo(&libdir, name));
    let seen = libdir.path().join("seen");
    // It ends after the call: only then does the test let it go on.
    let bookmark = format!(
        "read line <'{go_on}'; streams=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2)\n\
         echo \"$streams\" >'{seen}'; echo >'{done}'",
        go_on = go_on.display(),
        done = done.display(),
        seen = seen.display()
    );
    set_program(libdir.path(), "qvm_bookmark.sh", &bookmark);
    let served = serve(&libdir, &[]);
    served.assert_code(7);
    assert!(!seen.exists());
    fs::write(&go_on, "go on\n").unwrap();
    fs::read(&done).unwrap();
    assert_eq!(fs::read_to_string(seen).unwrap(), "/dev/null\n".repeat(3));
}
