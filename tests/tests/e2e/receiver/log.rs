//! What the log of the target qube is told, and what the calling qube, which sees stderr, is not.

use std::fs;
use std::os::unix::net::UnixDatagram;

use qfile_tests::code::EEXIST;
use qfile_tests::inbox::Inbox;
use qfile_tests::mounted::{self, Mounted};
use qfile_tests::receiver::Form;
use qfile_tests::stream::Stream;
use qfile_tests::suite;
use qfile_tests::system_log::{only_line, with_system_log};
use qfile_tests::user::{needs_private_mounts, needs_set_uid};

suite! {
    a_refusal_is_in_the_log_with_the_folder_of_the_qube_that_sent [needs_private_mounts, needs_set_uid],
    why_the_incoming_folder_cannot_be_used_is_in_the_log_only [needs_private_mounts, needs_set_uid],
    what_could_not_be_set_is_in_the_log_once_a_copy [needs_private_mounts, needs_set_uid, needs_bindfs],
    a_full_log_keeps_nobody_waiting [needs_private_mounts, needs_set_uid],
}

/// Runs `body` for the receiver in every form, on a machine whose log is the given socket.
fn with_log(body: impl Fn(&Inbox, &UnixDatagram) + Sync) {
    with_system_log(|log| {
        for form in Form::all() {
            body(&Inbox::new(*form), log);
        }
    });
}

fn a_refusal_is_in_the_log_with_the_folder_of_the_qube_that_sent() {
    with_log(|inbox, log| {
        fs::write(inbox.incoming().join("f\u{1b}[31m"), "old").unwrap();
        let stream = Stream::new().file("f\u{1b}[31m", "new").end();
        let answer = inbox.receive(&["--allow-all-names"], &stream);
        answer.assert_refused(EEXIST);
        assert_eq!(answer.finished.stderr(), "");
        let expected = format!(
            "<12>qfile-unpacker: a copy into \"{}\" stopped at \"f_[31m\": \
             a file of that name is already there",
            inbox.incoming().display()
        );
        assert_eq!(only_line(log), expected);
        // What lands is no news.
        let stream = Stream::new().file("g", "x").end();
        inbox
            .receive(&[], &stream)
            .assert_confirmed(stream.checksum());
        assert!(log.recv(&mut [0; 1]).is_err());
    });
}

fn why_the_incoming_folder_cannot_be_used_is_in_the_log_only() {
    with_log(|inbox, log| {
        fs::remove_dir(inbox.incoming()).unwrap();
        let answer = inbox.receive(&[], &Stream::new().end());
        answer.finished.assert_code(1);
        assert_eq!(answer.verdict, None);
        let stderr = answer.finished.stderr();
        assert_eq!(
            stderr,
            "qfile-unpacker: cannot open the given folder; the target qube's log says why\n"
        );
        let line = only_line(log);
        assert!(line.contains("No such file or directory"), "{line}");
        assert!(line.contains(inbox.incoming().to_str().unwrap()), "{line}");
    });
}

fn needs_bindfs() -> Result<(), String> {
    mounted::needs("bindfs", |point| Mounted::bindfs(point, &[]))
}

fn what_could_not_be_set_is_in_the_log_once_a_copy() {
    with_log(|inbox, log| {
        let options = ["--chmod-deny", "--perms=fu+r"];
        let mounted = Mounted::bindfs(&inbox.incoming(), &options).unwrap();
        for name in ["e", "g"] {
            let stream = Stream::new().file(name, "x").file(format!("{name}2"), "x");
            let stream = stream.end();
            let answer = inbox.receive(&[], &stream);
            answer.assert_confirmed(stream.checksum());
            assert_eq!(answer.finished.stderr(), "");
            let expected = format!(
                "<12>qfile-unpacker: the mode of \"{name}\" could not be set: \
                 Operation not permitted (os error 1)"
            );
            assert_eq!(only_line(log), expected);
        }
        drop(mounted);
    });
}

fn a_full_log_keeps_nobody_waiting() {
    with_log(|inbox, log| {
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        while filler.send_to(b"x", "/dev/log").is_ok() {}
        fs::write(inbox.incoming().join("f"), "old").unwrap();
        let stream = Stream::new().file("f", "new").end();
        inbox.receive(&[], &stream).assert_refused(EEXIST);
        while log.recv(&mut [0; 1]).is_ok() {}
    });
}
