//! The sender and whatever a receiver may answer: at any time, in pieces, wrongly, or not at all.
//! (The words for each code are tested beside `qfile-agent`.)

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::process::Command;

use qfile_tests::code::LEGAL_EOF;
use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Joint, Side, converse, join};
use qfile_tests::process::Finished;
use qfile_tests::programs::program;
use qfile_tests::stream::{Verdict, crc32};
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;

use rustix::fs::fcntl_getfl;

suite! {
    a_confirmed_copy_succeeds_silently,
    a_verdict_without_a_name_is_a_verdict,
    a_verdict_in_pieces_is_a_verdict,
    a_verdict_in_the_middle_stops_the_sender,
    an_early_success_is_a_failure,
    a_wrong_checksum_is_a_failure,
    a_success_without_any_checksum_is_a_failure,
    no_verdict_is_a_failure,
    a_verdict_that_is_cut_is_a_failure,
    the_reason_is_read_when_writing_fails,
    nothing_in_a_name_drives_the_terminal,
    a_name_of_any_length_is_cut_for_display,
    a_verdict_may_be_waited_for_for_a_year,
    the_senders_descriptors_stay_as_they_were,
    on_one_socket_both_ends_succeed_and_fail_as_on_two,
}

/// A sender's folder with the file `file` of that many zeros, and the sender of it.
fn sender(len: u64) -> (TempFolder, Command) {
    let folder = TempFolder::new();
    let file = File::create(folder.path().join("file")).unwrap();
    file.set_len(len).unwrap();
    let mut command = Command::new(program("qfile-agent"));
    command
        .current_dir(folder.path())
        .args(["--", "file"])
        .env_remove("PROGRESS_TYPE");
    (folder, command)
}

/// Reads the stream of `file` of `len` bytes to its end and gives its checksum.
fn take_stream(side: &mut Side, len: usize) -> u32 {
    let stream = side.read(32 + b"file\0".len() + len + 32);
    assert!(stream.ends_with(&[0; 32]));
    crc32(&stream)
}

/// A receiver that takes the whole stream and then answers with `answer` of its checksum.
fn answered(joint: Joint, answer: impl FnOnce(u32) -> Vec<u8>) -> Finished {
    let (_folder, command) = sender(1000);
    let ((), finished) = converse(command, joint, |side| {
        let checksum = take_stream(side, 1000);
        side.send(&answer(checksum)).unwrap();
        side.stop_sending();
        side.drain();
    });
    finished
}

#[track_caller]
fn assert_failed(finished: &Finished) {
    finished.assert_code(1);
    let stderr = finished.stderr();
    let first = stderr.lines().next().unwrap();
    assert!(first.starts_with("qfile-agent: Fatal error: "), "{stderr}");
    assert_eq!(stderr.matches("Fatal error").count(), 1, "{stderr}");
}

fn a_confirmed_copy_succeeds_silently() {
    for joint in Joint::ALL {
        let named = |checksum| Verdict::new(0, checksum).naming("file").to_bytes();
        let finished = answered(joint, named);
        finished.assert_code(0);
        assert_eq!(finished.stderr(), "");
    }
}

/// As the Windows agent answers.
fn a_verdict_without_a_name_is_a_verdict() {
    for joint in Joint::ALL {
        answered(joint, |checksum| Verdict::new(0, checksum).to_bytes()).assert_code(0);
        let finished = answered(joint, |checksum| Verdict::new(28, checksum).to_bytes());
        assert_failed(&finished);
        assert!(!finished.stderr().contains("Last file"));
    }
}

fn a_verdict_in_pieces_is_a_verdict() {
    for joint in Joint::ALL {
        let (_folder, command) = sender(1000);
        let ((), finished) = converse(command, joint, |side| {
            let checksum = take_stream(side, 1000);
            for byte in Verdict::new(0, checksum).naming("file").to_bytes() {
                side.send(&[byte]).unwrap();
            }
            side.stop_sending();
            side.drain();
        });
        finished.assert_code(0);
    }
}

fn a_verdict_in_the_middle_stops_the_sender() {
    const LEN: u64 = 1 << 40;
    for joint in Joint::ALL {
        let (_folder, command) = sender(LEN);
        let (more, finished) = converse(command, joint, |side| {
            let _ = side.read(1_000_000);
            side.send(&Verdict::new(28, 0).naming("file").to_bytes())
                .unwrap();
            // Not a byte is refused: looking at the verdict is the only way to know.
            side.drain()
        });
        assert!(more < 64 << 20, "{more} bytes after the verdict");
        assert_failed(&finished);
        finished.assert_says("No space left on device");
    }
}

fn an_early_success_is_a_failure() {
    for joint in Joint::ALL {
        let (_folder, command) = sender(20 << 20);
        let ((), finished) = converse(command, joint, |side| {
            let mut stream = side.read(1_000_000);
            let success = |stream: &[u8]| {
                let verdict = Verdict::new(0, crc32(stream));
                verdict.naming("file").to_bytes()
            };
            side.send(&success(&stream)).unwrap();
            stream.extend(side.rest());
            // Even if what followed made it right.
            let _ = side.send(&success(&stream));
        });
        assert_failed(&finished);
    }
}

fn a_wrong_checksum_is_a_failure() {
    let wrong: [fn(u32) -> u64; 3] = [
        |checksum| u64::from(checksum ^ 1),
        |_| 0,
        |checksum| u64::from(checksum) | 1 << 32,
    ];
    for crc32 in wrong {
        let verdict = |checksum| Verdict {
            crc32: crc32(checksum),
            ..Verdict::default()
        };
        assert_failed(&answered(Joint::Sockets, |checksum| {
            verdict(checksum).to_bytes()
        }));
    }
}

fn a_success_without_any_checksum_is_a_failure() {
    assert_failed(&answered(Joint::Sockets, |_| vec![0; 8]));
}

fn no_verdict_is_a_failure() {
    for joint in Joint::ALL {
        assert_failed(&answered(joint, |_| Vec::new()));
        // Gone before it read anything.
        let (_folder, command) = sender(20 << 20);
        let ((), finished) = converse(command, joint, |_| ());
        assert_failed(&finished);
    }
}

fn a_verdict_that_is_cut_is_a_failure() {
    for len in [1, 3, 4, 8, 15] {
        let cut = |checksum| Verdict::new(0, checksum).to_bytes()[..len].to_vec();
        assert_failed(&answered(Joint::Pipes, cut));
    }
}

fn the_reason_is_read_when_writing_fails() {
    for joint in Joint::ALL {
        let (_folder, command) = sender(50 << 20);
        let ((), finished) = converse(command, joint, |side| {
            let _ = side.read(100_000);
            // As a receiver of ours does: stop reading, then answer, then go.
            side.stop_reading();
            side.send(&Verdict::new(17, 0).naming("file").to_bytes())
                .unwrap();
        });
        assert_failed(&finished);
        finished.assert_says(r#"A file named "file" already exists in QubesIncoming dir"#);
    }
}

fn nothing_in_a_name_drives_the_terminal() {
    let hostile = b"\x1b]0;title\x07\x1b[2J\r\n$(id)`id`%n%s\"'<b>\xFF\xC2\x9B\x7f\0end";
    for code in [17, 22, 28, 67, 84, 122, 9999, LEGAL_EOF] {
        let answer = |checksum| Verdict::new(code, checksum).naming(hostile).to_bytes();
        let finished = answered(Joint::Sockets, answer);
        assert_failed(&finished);
        let unsafe_byte = |byte: &u8| !matches!(byte, b'\n' | b' '..=b'~');
        assert_eq!(finished.stderr.iter().find(|byte| unsafe_byte(byte)), None);
        finished.assert_says("_]0;title_");
        finished.assert_says("_end");
        assert!(
            finished.stderr().lines().next().unwrap().contains("_end"),
            "one line"
        );
    }
}

fn a_name_of_any_length_is_cut_for_display() {
    for announced in [20_000_u32, u32::MAX] {
        for joint in Joint::ALL {
            let (_folder, command) = sender(1000);
            let ((), finished) = converse(command, joint, |side| {
                let checksum = take_stream(side, 1000);
                let mut answer = Verdict::new(28, checksum).to_bytes();
                answer.extend_from_slice(&announced.to_le_bytes());
                answer.extend_from_slice(&[b'n'; 20_000]);
                // It may have gone before it was all sent.
                let _ = side.send(&answer);
                side.stop_sending();
                side.drain();
            });
            assert_failed(&finished);
            let stderr = finished.stderr();
            let longest = stderr.lines().map(str::len).max().unwrap();
            assert!((500..1200).contains(&longest), "{longest}");
        }
    }
}

fn a_verdict_may_be_waited_for_for_a_year() {
    let (folder, _) = sender(1000);
    let mut command = Command::new(program("qfile-agent"));
    command
        .current_dir(folder.path())
        .args(["--verdict-timeout", "365d", "--", "file"]);
    let ((), finished) = converse(command, Joint::Sockets, |side| {
        let checksum = take_stream(side, 1000);
        side.send(&Verdict::new(0, checksum).to_bytes()).unwrap();
    });
    finished.assert_code(0);
}

/// `O_NONBLOCK` lives on the open file description, which others share.
fn the_senders_descriptors_stay_as_they_were() {
    for joint in Joint::ALL {
        let (_folder, mut command) = sender(3 << 20);
        let (mut mine, theirs) = joint.sides();
        let shared = theirs.input.try_clone().unwrap();
        let before = fcntl_getfl(shared.as_fd()).unwrap();
        theirs.give_to(&mut command);
        let running = qfile_tests::process::Running::start(command);
        let mut stream = mine.read(1 << 20);
        assert_eq!(fcntl_getfl(shared.as_fd()).unwrap(), before);
        stream.extend(mine.read(32 + 5 + (2 << 20) + 32));
        mine.send(&Verdict::new(0, crc32(&stream)).to_bytes())
            .unwrap();
        mine.stop_sending();
        let finished = running.finish();
        finished.assert_code(0);
        assert_eq!(fcntl_getfl(shared.as_fd()).unwrap(), before);
    }
}

fn on_one_socket_both_ends_succeed_and_fail_as_on_two() {
    for joint in [Joint::OneSocket, Joint::Sockets] {
        let inbox = Inbox::default();
        let (_folder, command) = sender(10 << 20);
        let (sender_end, receiver_end) = join(command, inbox.command(&[]), joint);
        sender_end.assert_code(0);
        receiver_end.assert_code(0);
        assert_eq!(inbox.landed().get("file").unwrap().len, 10 << 20);

        let inbox = Inbox::default();
        fs::write(inbox.incoming().join("file"), "before").unwrap();
        let (_folder, command) = sender(100 << 20);
        let (sender_end, receiver_end) = join(command, inbox.command(&[]), joint);
        sender_end.assert_code(1);
        sender_end.assert_says(r#"A file named "file" already exists in QubesIncoming dir"#);
        receiver_end.assert_code(17);
    }
}
