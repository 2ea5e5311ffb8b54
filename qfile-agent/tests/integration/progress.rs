//! What is seen of a copy while it runs: byte counts, a live line, a plain line; and Cancel.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

use crate::receiver::{Receiver, agent, verdict};

/// More than every buffer on the way to a receiver that does not read.
const LARGE: u64 = 8 * 1024 * 1024;

/// A folder `a` with a file of [`LARGE`] bytes, a link of 6 and a FIFO, and an agent to send it.
fn sending() -> (TempDir, Command) {
    let home = tempfile::tempdir().unwrap();
    let a = home.path().join("a");
    fs::create_dir(&a).unwrap();
    fs::write(a.join("f\x1b"), vec![b'x'; usize::try_from(LARGE).unwrap()]).unwrap();
    symlink("target", a.join("l")).unwrap();
    mknodat(CWD, a.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let command = agent([a]);
    (home, command)
}

/// A terminal of 100 columns: the end that a person sees, and the end that a program gets.
fn terminal() -> (OwnedFd, File) {
    let seen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&seen).unwrap();
    unlockpt(&seen).unwrap();
    let name = ptsname(&seen, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let written = rustix::fs::openat(CWD, name, flags, Mode::empty()).unwrap();
    let size = Winsize {
        ws_row: 25,
        ws_col: 100,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&written, size).unwrap();
    (written, File::from(seen))
}

#[test]
fn a_window_gets_0_first_then_rising_counts_and_the_total_last() {
    let (_home, mut agent) = sending();
    let total = LARGE + 6;
    agent
        .env("PROGRESS_TYPE", "gui")
        .env("FILECOPY_TOTAL_BYTES", total.to_string())
        .env("SAVED_FD_1", "2");
    let mut receiver = Receiver::over_sockets(agent);
    receiver.confirm();
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(0));
    // The FIFO is named on the same descriptor here.
    let counts: Vec<u64> = ended
        .stderr
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    assert_eq!(counts.first(), Some(&0));
    assert_eq!(counts.last(), Some(&total));
    assert!(counts.is_sorted_by(|a, b| a < b), "{counts:?}");
}

#[test]
fn a_window_knows_all_that_was_sent_while_the_receiver_does_not_read() {
    const TAKEN: usize = 3 << 20;
    /// A piece of content may have been written in part, and headers do not count.
    const UNCOUNTED: usize = 256 * 1024 + 1000;
    let (_home, mut agent) = sending();
    let (seen, window) = rustix::pipe::pipe().unwrap();
    agent
        .env("PROGRESS_TYPE", "gui")
        .env("SAVED_FD_1", "2")
        .stderr(window);
    let mut receiver = Receiver::over_sockets(agent);
    receiver.read(TAKEN);
    let counts = BufReader::new(File::from(seen)).lines();
    // What is left out is named on the same descriptor here.
    let mut counts = counts.filter_map(|line| line.unwrap().parse().ok());
    assert!(counts.any(|count: usize| count >= TAKEN - UNCOUNTED));
    assert_eq!(receiver.ended().status, Some(1));
}

#[test]
fn a_window_never_sees_the_total_of_a_copy_that_was_refused() {
    let (_home, mut agent) = sending();
    let total = LARGE + 6;
    agent
        .env("PROGRESS_TYPE", "gui")
        .env("FILECOPY_TOTAL_BYTES", total.to_string())
        .env("SAVED_FD_1", "2");
    let mut receiver = Receiver::over_sockets(agent);
    receiver.receive();
    receiver.say(&verdict(28, 0, None));
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(1));
    let total = total.to_string();
    assert!(ended.stderr.lines().all(|line| line != total));
}

#[test]
fn a_window_that_is_closed_cancels_while_the_receiver_does_not_read() {
    let (_home, mut agent) = sending();
    agent.env("PROGRESS_TYPE", "gui").env("SAVED_FD_1", "2");
    let mut receiver = Receiver::over_sockets(agent);
    receiver.read(100);
    receiver.close_stderr();
    assert_eq!(receiver.ended_by_itself().status, Some(32));
}

#[test]
fn a_window_that_is_closed_cancels_while_the_target_writes_to_disk() {
    let (_home, mut agent) = sending();
    agent.env("PROGRESS_TYPE", "gui").env("SAVED_FD_1", "2");
    let mut receiver = Receiver::over_sockets(agent);
    receiver.receive();
    receiver.close_stderr();
    assert_eq!(receiver.ended_by_itself().status, Some(32));
}

#[test]
fn a_copy_without_a_usable_window_is_still_a_copy() {
    for number in ["", "999", "-1", "x"] {
        let (_home, mut agent) = sending();
        agent.env("PROGRESS_TYPE", "gui").env("SAVED_FD_1", number);
        let mut receiver = Receiver::over_sockets(agent);
        receiver.confirm();
        assert_eq!(receiver.ended().status, Some(0), "{number:?}");
    }
}

#[test]
fn without_a_terminal_the_console_is_one_plain_line() {
    let (_home, mut agent) = sending();
    agent
        .env("PROGRESS_TYPE", "console")
        .arg("--ignore-symlinks")
        .env("FILECOPY_TOTAL_BYTES", LARGE.to_string());
    let mut receiver = Receiver::over_sockets(agent);
    receiver.confirm();
    let ended = receiver.ended();
    assert!(!ended.stderr.contains(['\x1b', '\r']), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 2, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("\nqfile-agent: 1 file and 1 folder copied, 8.00 MiB (8,388,608 bytes)\n")
    );
}

#[test]
fn on_a_terminal_the_line_ends_with_the_target_writing_to_disk() {
    let (_home, mut agent) = sending();
    let (written, mut seen) = terminal();
    agent
        .env("PROGRESS_TYPE", "console")
        .env("FILECOPY_TOTAL_BYTES", (LARGE + 6).to_string())
        .env("TERM", "xterm")
        .stderr(written);
    let mut receiver = Receiver::over_sockets(agent);
    let (_, checksum) = receiver.receive();
    let mut screen = Vec::new();
    let mut chunk = [0; 4096];
    let shown = |screen: &[u8], text: &str| String::from_utf8_lossy(screen).contains(text);
    while !shown(&screen, "8.00 MiB sent; the target qube is writing to disk") {
        let count = seen.read(&mut chunk).unwrap();
        screen.extend_from_slice(&chunk[..count]);
    }
    receiver.say(&verdict(0, checksum, None));
    receiver.end_the_answer();
    while !shown(
        &screen,
        "qfile-agent: 1 file, 1 folder and 1 link copied, 8.00 MiB",
    ) {
        let count = seen.read(&mut chunk).unwrap();
        screen.extend_from_slice(&chunk[..count]);
    }
    assert!(shown(&screen, "/a/fifo\" is a named pipe"));
    assert_eq!(receiver.ended().status, Some(0));
}

#[test]
fn a_failure_is_shown_in_a_dialog_for_which_the_receiver_does_not_wait() {
    let (home, mut agent) = sending();
    let zenity = home.path().join("zenity");
    let closed = home.path().join("zenity.closed");
    let script = "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$0.shown\"\nread -r line <\"$0.closed\"\n";
    fs::write(&zenity, script).unwrap();
    fs::set_permissions(&zenity, fs::Permissions::from_mode(0o755)).unwrap();
    mknodat(CWD, &closed, FileType::Fifo, Mode::RWXU, 0).unwrap();
    agent
        .env("PROGRESS_TYPE", "gui")
        .env("DISPLAY", ":99")
        .env("PATH", home.path());
    let mut receiver = Receiver::over_sockets(agent);
    receiver.receive();
    receiver.say(&verdict(17, 0, Some(b"<b>$(id)")));
    // The stream ends while the dialog is open.
    assert_eq!(receiver.read_to_end(), b"");
    drop(fs::write(closed, "\n"));
    assert_eq!(receiver.ended().status, Some(1));
    let shown = fs::read_to_string(home.path().join("zenity.shown")).unwrap();
    assert!(shown.contains("--error\n--no-markup\n"), "{shown}");
    assert!(
        shown.contains("--text=A file named \"<b>$(id)\" already exists"),
        "{shown}"
    );
}
