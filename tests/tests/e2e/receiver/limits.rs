//! Limits of the owner, and those of the disk.

use std::fs;

use qfile_tests::code::{EDQUOT, ENOMEM, ENOSPC};
use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Joint, feed};
use qfile_tests::process::wrapped_in;
use qfile_tests::stream::Stream;
use qfile_tests::suite;
use qfile_tests::user::{in_private_mounts, mount_tmpfs, needs_private_mounts};

suite! {
    limits_on_bytes_and_files_hold,
    a_file_longer_than_the_free_space_is_refused_at_its_header,
    it_waits_for_room_when_told_to [needs_private_mounts],
    a_full_disk_leaves_what_was_complete [needs_private_mounts],
    a_disk_without_inodes_left_is_said [needs_private_mounts],
    where_memory_is_short_there_is_still_a_verdict,
}

fn limits_on_bytes_and_files_hold() {
    let stream = Stream::new().file("a", "123456").file("b", "7890").end();
    for (options, fits) in [
        (["--max-bytes", "10"], true),
        (["--max-bytes", "9"], false),
        (["--max-files", "2"], true),
        (["--max-files", "1"], false),
    ] {
        let inbox = Inbox::default();
        let answer = inbox.receive(&options, &stream);
        if fits {
            answer.assert_confirmed(stream.checksum());
        } else {
            answer.assert_refused(EDQUOT);
            assert_eq!(answer.last_name(), Some(&b"b"[..]));
            assert_eq!(inbox.landed().paths(), ["a"], "{options:?}");
        }
    }
    // At the header, and without an overflow of the sum.
    let inbox = Inbox::default();
    let two = Stream::new()
        .file("a", "x")
        .bytes(Stream::promise("b", (1 << 63) - 1).as_bytes());
    inbox
        .answer_to_the_beginning(&["--max-bytes", "1000"], &two)
        .assert_refused(EDQUOT);
}

fn a_file_longer_than_the_free_space_is_refused_at_its_header() {
    let inbox = Inbox::default();
    let answer = inbox.answer_to_the_beginning(&[], &Stream::promise("huge", (1 << 63) - 1));
    answer.assert_refused(ENOSPC);
    assert_eq!(answer.last_name(), Some(&b"huge"[..]));
    assert!(inbox.landed().is_empty());
}

fn it_waits_for_room_when_told_to() {
    for options in [&["-w", "500000"][..], &["--wait-for-space=500000"]] {
        in_private_mounts(|| Inbox::default().assert_waits_for_room(options));
    }
}

fn a_full_disk_leaves_what_was_complete() {
    in_private_mounts(|| {
        let inbox = Inbox::default();
        mount_tmpfs(&inbox.incoming(), 1 << 20, "");
        let answer = inbox.answer_to_the_beginning(&[], &Stream::promise("too-long", 2 << 20));
        answer.assert_refused(ENOSPC);
        assert!(inbox.landed().is_empty());

        let content = vec![1; 300 << 10];
        let stream = ["a", "b", "c", "d"]
            .iter()
            .fold(Stream::new(), |stream, name| stream.file(name, &content))
            .end();
        for options in [&[][..], &["--no-space-check"]] {
            let answer = inbox.receive(options, &stream);
            answer.assert_refused(ENOSPC);
            assert_eq!(answer.last_name(), Some(&b"d"[..]));
            assert_eq!(inbox.landed().paths(), ["a", "b", "c"]);
            for name in ["a", "b", "c"] {
                assert_eq!(fs::read(inbox.incoming().join(name)).unwrap(), content);
                fs::remove_file(inbox.incoming().join(name)).unwrap();
            }
        }
    });
}

fn a_disk_without_inodes_left_is_said() {
    in_private_mounts(|| {
        let inbox = Inbox::default();
        mount_tmpfs(&inbox.incoming(), 1 << 20, ",nr_inodes=4");
        let stream = (0..10).fold(Stream::new(), |stream, number| {
            stream.file(number.to_string(), "x")
        });
        inbox.receive(&[], &stream.end()).assert_refused(ENOSPC);
        let landed = inbox.landed();
        assert!(landed.len() < 4);
        assert!(
            landed
                .paths()
                .iter()
                .all(|path| landed.get(path).unwrap().len == 1)
        );
    });
}

/// From limits at which not even the program's own start succeeds to one that is enough.
fn where_memory_is_short_there_is_still_a_verdict() {
    let stream = Stream::new().file("file", vec![7; 1_000_000]).end();
    let mut refused = 0;
    for kilobytes in (100..=3000).step_by(100) {
        let inbox = Inbox::default();
        let script = format!("ulimit -d {kilobytes}; exec \"$0\" \"$@\"");
        let limited = wrapped_in(&["sh", "-c", &script], &inbox.command(&[]));
        let answer = feed(limited, Joint::Pipes, stream.as_bytes());
        match &answer.verdict {
            Some(verdict) if verdict.code == ENOMEM => {
                answer.assert_refused(ENOMEM);
                assert!(inbox.landed().is_empty());
                refused += 1;
            }
            Some(_) => answer.assert_confirmed(stream.checksum()),
            None => {
                assert_eq!(refused, 0, "{kilobytes} KiB: {answer:?}");
                assert_ne!(answer.finished.stderr(), "", "{kilobytes} KiB");
                assert_ne!(answer.finished.code(), 128 + libc::SIGSYS);
            }
        }
    }
    assert!(refused > 0, "no limit was between too low and enough");
}
