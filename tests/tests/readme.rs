//! What the README shows is what comes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::process::Command;

use qfile_tests::process::run;
use qfile_tests::programs::{folder, program, source};
use qfile_tests::suite;

suite! {
    its_session_is_what_comes_today,
}

fn its_session_is_what_comes_today() {
    let _is_built = program("qrexec-loopback");
    let mut session = Command::new(source("scripts/session"));
    session.arg(folder());
    let recorded = run(session);
    recorded.assert_code(0);
    let today = String::from_utf8(recorded.stdout).unwrap();

    let readme = fs::read_to_string(source("README.md")).unwrap();
    let (_, shown) = readme.split_once("```console\n").unwrap();
    let (shown, _) = shown.split_once("```\n").unwrap();
    assert!(
        shown == today,
        "README.md has another session than scripts/session, which is:\n{today}"
    );
}
