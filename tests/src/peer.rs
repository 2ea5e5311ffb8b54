//! Talking to a program as its other side: over pipes, over sockets as qrexec does, and over one
//! socket that is both its stdin and its stdout.
//!
//! What the test sends and reads, and when it stops, is the test's own business: that is how a
//! hostile peer is made.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;

use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::process::{Finished, Running};
use crate::stream::Verdict;

/// What joins two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// Two pipes.
    Pipes,
    /// Two pairs of stream sockets, as qrexec gives them.
    Sockets,
    /// One pair of stream sockets: each side has one socket as stdin and stdout.
    OneSocket,
}

impl Joint {
    /// Every way to join two sides.
    pub const ALL: [Self; 3] = [Self::Pipes, Self::Sockets, Self::OneSocket];

    /// Two sides, joined: what one writes the other reads.
    #[must_use]
    pub fn sides(self) -> (Side, Side) {
        match self {
            Self::Pipes => {
                let (read_1, write_1) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
                let (read_2, write_2) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
                (Side::new(read_1, write_2), Side::new(read_2, write_1))
            }
            Self::Sockets => {
                let ((read_1, write_1), (read_2, write_2)) = (sockets(), sockets());
                (Side::new(read_1, write_2), Side::new(read_2, write_1))
            }
            Self::OneSocket => {
                let (one, other) = sockets();
                (Side::of_one(one), Side::of_one(other))
            }
        }
    }
}

fn sockets() -> (OwnedFd, OwnedFd) {
    socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .expect("a pair of sockets")
}

/// One side: what it reads from and what it writes to.
#[derive(Debug)]
pub struct Side {
    /// Reads what the other side writes.
    pub input: File,
    /// Writes what the other side reads; `None` once no more is sent.
    pub output: Option<File>,
}

impl Side {
    fn new(input: OwnedFd, output: OwnedFd) -> Self {
        Self {
            input: input.into(),
            output: Some(output.into()),
        }
    }

    fn of_one(socket: OwnedFd) -> Self {
        let output = socket.try_clone().expect("a descriptor can be duplicated");
        Self::new(socket, output)
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// `EPIPE` and `ECONNRESET` when the other side has stopped reading.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.output {
            Some(output) => output.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Sends no more: the other side reads end of input.
    pub fn stop_sending(&mut self) {
        if let Some(output) = self.output.take() {
            // On one socket the descriptor that is read from keeps it open. A pipe answers
            // ENOTSOCK, and a socket whose other end has gone ENOTCONN.
            let _ = shutdown(&output, Shutdown::Write);
        }
    }

    /// Reads no more, and what the other side still writes is refused (`EPIPE`).
    pub fn stop_reading(&mut self) {
        let _ = shutdown(&self.input, Shutdown::Read);
        self.input = File::open("/dev/null").expect("/dev/null can be opened");
    }

    /// Reads exactly `len` bytes.
    #[must_use]
    pub fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.input
            .read_exact(&mut bytes)
            .unwrap_or_else(|error| panic!("{len} bytes were expected: {error}"));
        bytes
    }

    /// Reads until the other side stops sending, and counts.
    pub fn drain(&mut self) -> u64 {
        let mut buffer = vec![0; 65_536];
        let mut total = 0;
        while let Ok(count @ 1..) = self.input.read(&mut buffer) {
            total += count as u64;
        }
        total
    }

    /// Reads until the other side stops sending.
    #[must_use]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A connection that is reset has ended too; what came before counts.
        let _ = self.input.read_to_end(&mut bytes);
        bytes
    }

    /// Makes this side `command`'s stdin and stdout.
    pub fn give_to(self, command: &mut Command) {
        command.stdin(Stdio::from(self.input));
        command.stdout(self.output.map_or_else(Stdio::null, Stdio::from));
    }
}

/// Runs `command` with `play` as its other side. When `play` returns, that side is closed.
pub fn converse<T>(
    mut command: Command,
    joint: Joint,
    play: impl FnOnce(&mut Side) -> T,
) -> (T, Finished) {
    let (mine, theirs) = joint.sides();
    theirs.give_to(&mut command);
    let running = Running::start(command);
    let mut mine = mine;
    let result = play(&mut mine);
    drop(mine);
    (result, running.finish())
}

/// What a receiver answered to a stream.
#[derive(Debug)]
pub struct Answer {
    /// The verdict, if there was one.
    pub verdict: Option<Verdict>,
    /// How the receiver ended.
    pub finished: Finished,
}

impl Answer {
    /// Fails the test unless the receiver confirmed `stream`: code 0, its checksum, status 0.
    #[track_caller]
    pub fn assert_confirmed(&self, checksum: u32) {
        let said = self.finished.stderr();
        let verdict = self.verdict.as_ref().expect(&said);
        assert_eq!(verdict.code, 0, "{verdict:?}, stderr:\n{said}");
        assert_eq!(verdict.crc32, u64::from(checksum));
        self.finished.assert_code(0);
    }

    /// Fails the test unless the receiver refused with `code` and ended with the status for it.
    #[track_caller]
    pub fn assert_refused(&self, code: u32) {
        let said = self.finished.stderr();
        let verdict = self.verdict.as_ref().expect(&said);
        assert_eq!(verdict.code, code, "{verdict:?}, stderr:\n{said}");
        let status = match code.to_le_bytes()[0] {
            0 => 1,
            status => i32::from(status),
        };
        self.finished.assert_code(status);
    }

    /// The name in the verdict.
    #[must_use]
    pub fn last_name(&self) -> Option<&[u8]> {
        self.verdict.as_ref()?.last_name.as_deref()
    }
}

/// Gives a receiver the bytes of a stream, as far as it wants them, and takes its verdict.
pub fn feed(receiver: Command, joint: Joint, stream: &[u8]) -> Answer {
    let (answer, finished) = converse(receiver, joint, |side| {
        let mut output = side.output.take().expect("nothing has been sent yet");
        thread::scope(|scope| {
            scope.spawn(move || {
                // A receiver that refuses stops reading.
                let _ = output.write_all(stream);
                let _ = shutdown(&output, Shutdown::Write);
            });
            side.rest()
        })
    });
    Answer {
        verdict: Verdict::parse(&answer),
        finished,
    }
}

/// Runs a sender and a receiver that talk to each other.
pub fn join(mut sender: Command, mut receiver: Command, joint: Joint) -> (Finished, Finished) {
    let (one, other) = joint.sides();
    one.give_to(&mut sender);
    other.give_to(&mut receiver);
    let (sender, receiver) = (Running::start(sender), Running::start(receiver));
    (sender.finish(), receiver.finish())
}
