//! What ends a copy early: signals, and the descriptor of `--cancel-fd`.

use std::fs;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::receiver::{Receiver, agent, verdict};

/// More than every buffer on the way to a receiver that does not read.
const LARGE: usize = 8 * 1024 * 1024;

fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("f"), vec![b'x'; LARGE]).unwrap();
    home
}

#[test]
fn a_signal_in_the_middle_of_a_copy_is_a_cancellation() {
    let home = home();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut command = agent(["--result-fd", "2"]);
        let mut receiver = Receiver::over_sockets({
            command.arg(home.path().join("f"));
            command
        });
        receiver.read(1000);
        receiver.signal(signal);
        // The stream ends there, and no receiver is left that could have died.
        assert!(receiver.read_to_end().len() < LARGE);
        let ended = receiver.ended();
        assert_eq!(ended.status, Some(32), "{signal:?}: {}", ended.stderr);
        let result = ended.stderr.lines().last().unwrap();
        assert!(result.starts_with("32 cancelled"), "{signal:?}: {result}");
        assert!(!ended.stderr.contains("Fatal"), "{}", ended.stderr);
    }
}

#[test]
fn a_signal_while_the_verdict_is_waited_for_is_a_cancellation() {
    let home = home();
    let mut receiver = Receiver::over_pipes(agent([home.path().join("f")]));
    receiver.receive();
    receiver.signal(Signal::TERM);
    let ended = receiver.ended_by_itself();
    assert_eq!(ended.status, Some(32), "{}", ended.stderr);
}

#[test]
fn a_signal_to_all_programs_of_a_call_is_a_cancellation_even_if_the_connection_breaks_first() {
    let home = home();
    let mut receiver = Receiver::over_pipes(agent([home.path().join("f")]));
    receiver.receive();
    receiver.end_the_answer();
    receiver.signal(Signal::TERM);
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(32), "{}", ended.stderr);
}

#[test]
fn a_caller_that_lets_go_cancels_the_copy() {
    let home = home();
    let (theirs, caller) = rustix::pipe::pipe().unwrap();
    rustix::io::fcntl_setfd(&caller, rustix::io::FdFlags::CLOEXEC).unwrap();
    let mut command = agent(["--cancel-fd", &theirs.as_raw_fd().to_string()]);
    command.arg(home.path().join("f"));
    let mut receiver = Receiver::over_sockets(command);
    drop(theirs);
    receiver.read(1000);
    drop::<OwnedFd>(caller);
    let ended = receiver.ended_by_itself();
    assert_eq!(ended.status, Some(32), "{}", ended.stderr);
    assert!(ended.stderr.contains("cancelled"), "{}", ended.stderr);
}

/// A FIFO that is full, to be inherited: whoever writes to it waits.
fn full_fifo(home: &TempDir) -> fs::File {
    let path = home.path().join("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let open = |flags| {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | flags;
        fs::File::from(openat(CWD, &path, flags, Mode::empty()).unwrap())
    };
    let inherited = open(OFlags::empty());
    let mut filler = open(OFlags::NONBLOCK);
    while filler.write(&[0; 4096]).is_ok() {}
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    inherited
}

#[test]
fn a_second_signal_ends_an_agent_that_waits_for_something_else() {
    let home = home();
    let list = full_fifo(&home);
    let mut command = agent(["--manifest", &list.as_raw_fd().to_string()]);
    command.arg(home.path().join("f"));
    let mut receiver = Receiver::over_pipes(command);
    let (_, checksum) = receiver.receive();
    receiver.say(&verdict(0, checksum, Some(b"")));
    // From then on it waits for nothing but the FIFO.
    receiver.until_the_answer_is_read();
    receiver.signal(Signal::TERM);
    receiver.signal(Signal::INT);
    let ended = receiver.ended_by_itself();
    assert_eq!(ended.status, Some(32), "{}", ended.stderr);
}
