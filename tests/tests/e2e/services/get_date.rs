//! qubes.GetDate: the time, in exactly the form that clocks are set by.

use std::process::Command;

use qfile_tests::process::run;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;

suite! {
    the_time_has_26_bytes_or_36_with_nanoseconds,
    any_other_argument_is_refused,
}

fn asked(service: &str, code: i32) -> String {
    let qubes = Qubes::new();
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.env("TZ", "Asia/Kathmandu").args([TARGET, service]);
    let called = run(command);
    called.assert_code(code);
    String::from_utf8(called.stdout).unwrap()
}

/// The same from elsewhere, to the second.
fn now() -> String {
    let mut date = Command::new("date");
    date.args(["-u", "+%Y-%m-%dT%H:%M:%S"]);
    String::from_utf8(run(date).stdout)
        .unwrap()
        .trim()
        .to_owned()
}

fn the_time_has_26_bytes_or_36_with_nanoseconds() {
    for (service, len) in [("qubes.GetDate", 26), ("qubes.GetDate+nanoseconds", 36)] {
        let before = now();
        let answer = asked(service, 0);
        let after = now();
        assert_eq!(answer.len(), len, "{answer:?}");
        let time = answer.strip_suffix("+00:00\n").unwrap();
        let (seconds, fraction) = time.split_at(19);
        assert!(
            *before <= *seconds && *seconds <= *after,
            "{before} {time} {after}"
        );
        match fraction.strip_prefix(',') {
            None => assert_eq!(fraction, ""),
            Some(digits) => assert!(digits.bytes().all(|digit| digit.is_ascii_digit())),
        }
    }
}

fn any_other_argument_is_refused() {
    assert_eq!(asked("qubes.GetDate+seconds", 2), "");
}
