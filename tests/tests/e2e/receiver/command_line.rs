//! The command lines of the receiver, and what it tells whom.

use std::fs;

use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Joint, converse, feed};
use qfile_tests::stream::Stream;
use qfile_tests::suite;
use qfile_tests::user::my_uid;

suite! {
    every_form_of_the_command_line_receives,
    a_bad_command_line_is_one_clear_line_and_status_1,
    names_are_told_only_when_asked_for,
    a_failure_tells_the_caller_nothing_of_this_qube,
}

fn every_form_of_the_command_line_receives() {
    let uid = my_uid().to_string();
    let stream = Stream::new().file("file", "x").end();
    let today: [&[&str]; 6] = [
        &["", "DIR"],
        &[&uid, "DIR"],
        &["-v", "", "DIR"],
        &[
            "--verbose",
            "--allow-all-names",
            "--no-allow-all-names",
            &uid,
            "DIR",
        ],
        &["-w", "4096", "", "DIR"],
        &["--wait-for-space", "0", "--", "", "DIR"],
    ];
    let legacy: [&[&str]; 5] = [
        &[&uid, "DIR", "-v"],
        &[&uid, "DIR", "-w"],
        &[&uid, "DIR", "-w", "4096"],
        &[&uid, "DIR", "-v", "-w"],
        &[&uid, "DIR", "-w", "-v"],
    ];
    for form in today.into_iter().chain(legacy) {
        let inbox = Inbox::default();
        let folder = inbox.incoming();
        let arguments: Vec<&str> = form
            .iter()
            .map(|argument| match *argument {
                "DIR" => folder.to_str().unwrap(),
                other => other,
            })
            .collect();
        let answer = feed(
            inbox.bare_command(&arguments),
            Joint::Pipes,
            stream.as_bytes(),
        );
        answer.assert_confirmed(stream.checksum());
        assert_eq!(inbox.landed().paths(), ["file"], "{form:?}");
    }
}

fn a_bad_command_line_is_one_clear_line_and_status_1() {
    let lines: [&[&str]; 11] = [
        &["--no-such-option", "", "DIR"],
        &["--verb", "", "DIR"],
        &["--allow-all", "", "DIR"],
        &["-x", "", "DIR"],
        &["-w"],
        &["-w", "2147483648", "", "DIR"],
        &["-w", "-1", "", "DIR"],
        &["-w", "many", "", "DIR"],
        &["--on-conflict", "overwrite", "", "DIR"],
        &["12x", "DIR"],
        &["", "DIR", "one too many"],
    ];
    for line in lines {
        let inbox = Inbox::default();
        let folder = inbox.incoming();
        let arguments: Vec<&str> = line
            .iter()
            .map(|argument| match *argument {
                "DIR" => folder.to_str().unwrap(),
                other => other,
            })
            .collect();
        let stream = Stream::new().file("file", "x").end();
        let (_, finished) = converse(inbox.bare_command(&arguments), Joint::Pipes, |side| {
            // It may have gone before it is sent.
            let _ = side.send(stream.as_bytes());
            side.stop_sending();
            side.rest()
        });
        assert_eq!(finished.code(), 1, "{line:?}: {}", finished.stderr());
        assert_eq!(
            finished.stderr().lines().count(),
            1,
            "{line:?}: {}",
            finished.stderr()
        );
        assert!(inbox.landed().is_empty(), "{line:?}");
    }
}

fn names_are_told_only_when_asked_for() {
    let stream = Stream::new()
        .folder("folder")
        .file("folder/file", "x")
        .folder("folder")
        .end();
    let inbox = Inbox::default();
    let told = inbox.receive(&["-v"], &stream).finished;
    told.assert_says("folder/file");
    let inbox = Inbox::default();
    assert_eq!(inbox.receive(&[], &stream).finished.stderr(), "");
}

fn a_failure_tells_the_caller_nothing_of_this_qube() {
    let streams = [
        Stream::new().file("secret", "x").end(),
        Stream::new().folder("secret").end(),
        Stream::new().file("no/such/folder", "x").end(),
        Stream::new().file("../x", "x").end(),
        Stream::new().file("cut", "x"),
    ];
    for stream in streams {
        let inbox = Inbox::default();
        fs::write(inbox.incoming().join("secret"), "x").unwrap();
        let answer = inbox.receive(&[], &stream);
        if stream.as_bytes().ends_with(&[0; 32]) {
            assert_ne!(answer.verdict.as_ref().unwrap().code, 0);
        }
        let stderr = answer.finished.stderr();
        let local = [inbox.root().to_str().unwrap(), "secret"];
        assert!(!local.iter().any(|text| stderr.contains(text)), "{stderr}");
    }
}
