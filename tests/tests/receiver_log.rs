//! What the log of the target qube is told, and what the calling qube, which sees stderr, is not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use nix::mount::{MsFlags, mount};
use qfile_tests::code::EEXIST;
use qfile_tests::inbox::{Form, Inbox};
use qfile_tests::stream::Stream;
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{in_private_mounts, mount_tmpfs, needs_private_mounts, needs_set_uid};

suite! {
    a_refusal_is_in_the_log_with_the_folder_of_the_qube_that_sent [needs_private_mounts, needs_set_uid],
    why_the_incoming_folder_cannot_be_used_is_in_the_log_only [needs_private_mounts, needs_set_uid],
    a_full_log_keeps_nobody_waiting [needs_private_mounts, needs_set_uid],
}

/// Runs `body` for the receiver in every form, on a machine whose log is the given socket.
fn with_log(body: impl Fn(&Inbox, &UnixDatagram) + Sync) {
    let scratch = TempFolder::open_to_all();
    let layers = scratch.folder("layers");
    in_private_mounts(|| {
        mount_tmpfs(&layers, 1 << 20, ",mode=755");
        let [upper, work] = ["upper", "work"].map(|name| layers.join(name));
        fs::create_dir(&upper).unwrap();
        fs::create_dir(&work).unwrap();
        let options = format!(
            "lowerdir=/dev,upperdir={},workdir={}",
            upper.display(),
            work.display()
        );
        mount(
            Some("overlay"),
            "/dev",
            Some("overlay"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .unwrap();
        let _ = fs::remove_file("/dev/log");
        let log = UnixDatagram::bind("/dev/log").unwrap();
        fs::set_permissions("/dev/log", Permissions::from_mode(0o666)).unwrap();
        log.set_nonblocking(true).unwrap();
        for form in Form::all() {
            body(&Inbox::new(*form), &log);
        }
    });
}

/// The only line in the log since the last time.
fn only_line(log: &UnixDatagram) -> String {
    let mut line = [0; 4096];
    let len = log.recv(&mut line).unwrap();
    let more = log.recv(&mut [0; 1]);
    assert!(more.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    String::from_utf8(line[..len].to_vec()).unwrap()
}

fn a_refusal_is_in_the_log_with_the_folder_of_the_qube_that_sent() {
    with_log(|inbox, log| {
        fs::write(inbox.path().join("f\u{1b}[31m"), "old").unwrap();
        let stream = Stream::new().file("f\u{1b}[31m", "new").end();
        let answer = inbox.receive(&["--allow-all-names"], &stream);
        answer.assert_refused(EEXIST);
        assert_eq!(answer.finished.stderr(), "");
        let expected = format!(
            "<12>qfile-unpacker: a copy into \"{}\" stopped at \"f_[31m\": \
             a file of that name is already there",
            inbox.path().display()
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
        fs::remove_dir(inbox.path()).unwrap();
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
        assert!(line.contains(inbox.path().to_str().unwrap()), "{line}");
    });
}

fn a_full_log_keeps_nobody_waiting() {
    with_log(|inbox, log| {
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        while filler.send_to(b"x", "/dev/log").is_ok() {}
        fs::write(inbox.path().join("f"), "old").unwrap();
        let stream = Stream::new().file("f", "new").end();
        inbox.receive(&[], &stream).assert_refused(EEXIST);
        while log.recv(&mut [0; 1]).is_ok() {}
    });
}
