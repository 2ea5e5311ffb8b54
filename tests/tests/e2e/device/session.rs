//! What the document shows is what comes.

use std::fs;
use std::process::Command;

use qfile_tests::process::run;
use qfile_tests::programs::source;
use qfile_tests::raw_device::{Carriers, needs_carriers};
use qfile_tests::suite;
use qfile_tests::user::{am_root, as_ordinary};

use super::accidents::needs_mkfs;

suite! {
    its_session_is_what_comes_today [needs_carriers, needs_mkfs],
}

fn its_session_is_what_comes_today() {
    let carriers = Carriers::new();
    let script = fs::read(source("dev/scripts/device-session")).unwrap();
    carriers.write("session", &script);
    let mut session = Command::new("sh");
    session
        .arg(carriers.path("session"))
        .arg(carriers.programs());
    if am_root() {
        as_ordinary(&mut session);
    }
    let recorded = run(session);
    recorded.assert_code(0);
    let today = String::from_utf8(recorded.stdout).unwrap();

    let document = fs::read_to_string(source("docs/raw-device.md")).unwrap();
    let (_, shown) = document.split_once("```console\n").unwrap();
    let (shown, _) = shown.split_once("```\n").unwrap();
    assert!(
        shown == today,
        "docs/raw-device.md has another session than dev/scripts/device-session, which is:\n{today}"
    );
}
