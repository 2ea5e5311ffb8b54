//! Names that are taken: nothing is replaced, and what the owner may choose instead of a refusal.

use std::fs;

use qfile_tests::code::{EEXIST, ENOTDIR};
use qfile_tests::inbox::Inbox;
use qfile_tests::stream::Stream;
use qfile_tests::suite;
use qfile_tests::tree::{Kind, set};

suite! {
    an_existing_file_is_refused_at_its_header,
    whatever_stands_in_the_way_is_never_replaced,
    a_conflict_can_rename_the_new_one,
    a_conflict_can_skip_what_is_identical,
}

fn an_existing_file_is_refused_at_its_header() {
    let inbox = Inbox::default();
    fs::write(inbox.incoming().join("file"), "before").unwrap();
    let before = inbox.landed();
    let answer = inbox.answer_to_the_beginning(&[], &Stream::promise("file", 5 << 20));
    answer.assert_refused(EEXIST);
    assert_eq!(answer.last_name(), Some(&b"file"[..]));
    let small = inbox.receive(&[], &Stream::new().file("file", "small").end());
    small.assert_refused(EEXIST);
    before.assert_unchanged(&inbox.landed());
}

fn whatever_stands_in_the_way_is_never_replaced() {
    let sent = [
        Stream::new().file("taken", "new").end(),
        Stream::new().folder("taken").folder("taken").end(),
        Stream::new().link("taken", "new").end(),
    ];
    let make: [fn(&std::path::Path); 4] = [
        |path| fs::write(path, "old").unwrap(),
        |path| fs::create_dir(path).unwrap(),
        |path| std::os::unix::fs::symlink("../../outside/file", path).unwrap(),
        |path| std::os::unix::fs::symlink("../../outside/folder", path).unwrap(),
    ];
    for (here, make) in make.into_iter().enumerate() {
        for (there, stream) in sent.iter().enumerate() {
            let inbox = Inbox::default();
            make(&inbox.incoming().join("taken"));
            set(&inbox.incoming().join("taken"), None, (1_000_000, 0));
            let before = inbox.landed();
            let answer = inbox.receive(&["--allow-unsafe-symlinks"], stream);
            let code = answer.verdict.as_ref().unwrap().code;
            if (here, there) == (1, 1) {
                assert_eq!(code, 0, "a folder merges into a folder");
            } else {
                assert!([EEXIST, ENOTDIR].contains(&code), "{here} {there}: {code}");
                answer.assert_refused(code);
            }
            before.assert_unchanged(&inbox.landed());
        }
    }
    // Within one stream too.
    for again in &sent {
        let inbox = Inbox::default();
        let twice = Stream::new().file("taken", "first").bytes(again.as_bytes());
        let answer = inbox.receive(&["--allow-unsafe-symlinks"], &twice);
        assert_ne!(answer.verdict.unwrap().code, 0);
        let landed = inbox.landed().get("taken").unwrap();
        assert_eq!((landed.kind, landed.len), (Kind::File, 5));
    }
}

fn a_conflict_can_rename_the_new_one() {
    let inbox = Inbox::default();
    let rename = &["--on-conflict", "rename"][..];
    let stream = Stream::new()
        .file("plain", "x")
        .file("report.pdf", "x")
        .folder("d")
        .file("d/f", "x")
        .folder("d/e")
        .file("d/e/g", "x")
        .folder("d/e")
        .folder("d")
        .end();
    for _ in 0..3 {
        inbox
            .receive(rename, &stream)
            .assert_confirmed(stream.checksum());
    }
    let landed = inbox.landed();
    let mut expected = Vec::new();
    for number in ["", " (2)", " (3)"] {
        expected.push(format!("plain{number}"));
        expected.push(format!("report{number}.pdf"));
        for inner in ["", "/e", "/e/g", "/f"] {
            expected.push(format!("d{number}{inner}"));
        }
    }
    expected.sort();
    assert_eq!(landed.paths(), expected);
    assert_eq!(landed.get("d (3)").unwrap().mode, 0o755);
}

fn a_conflict_can_skip_what_is_identical() {
    let skip = &["--on-conflict", "skip-identical"][..];
    let inbox = Inbox::default();
    let content = vec![7; 200_000];
    let stream = Stream::new()
        .folder("d")
        .file("d/f", &content)
        .folder("d")
        .file("g", "")
        .end();
    inbox
        .receive(skip, &stream)
        .assert_confirmed(stream.checksum());
    // To be compared a file is read, so its time of access may change.
    let landed = || {
        let landed = inbox.landed();
        ["d", "d/f", "g"].map(|name| {
            let mut record = landed.get(name).unwrap();
            record.atime = (0, 0);
            record
        })
    };
    let before = landed();
    inbox
        .receive(skip, &stream)
        .assert_confirmed(stream.checksum());
    assert_eq!(landed(), before);
    // Another size is known at the header.
    inbox
        .answer_to_the_beginning(skip, &Stream::promise("d/f", 200_001))
        .assert_refused(EEXIST);
    // The same size, another byte at the end.
    let mut other = content;
    other[199_999] = 8;
    let other = Stream::new().file("d/f", other).end();
    inbox.receive(skip, &other).assert_refused(EEXIST);
    assert_eq!(landed(), before);
    assert_eq!(inbox.landed().len(), 3);
}
