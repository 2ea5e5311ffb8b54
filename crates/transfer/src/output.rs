//! stdout: the stream, gathered into large writes, until the receiver has something to say.
//!
//! No write waits for the receiver alone. Each is made without waiting (`RWF_NOWAIT`), and where
//! there is no room, room and the receiver's verdict are waited for together: a receiver that
//! answers and reads no more cannot hold the sender. `O_NONBLOCK` would do the same to every process
//! that shares the descriptor, and with one socket as both ends to stdin too.
//!
//! A file is simply written to: it always has room, as `poll(2)` has it, and yet some file systems
//! (btrfs, XFS) do not write without waiting, so that one would ask them again and again.

use std::io::{self, IoSlice, Write};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::{Errno, ReadWriteFlags, pwritev2, writev};
use rustix::net::{Shutdown, shutdown};
use rustix::pipe::fcntl_setpipe_size;
use rustix::stdio::{dup2_stdout, stdout};

use crate::verdict::Receiver;

/// Bytes that are gathered before they are written.
pub const BUFFER_LEN: usize = 256 * 1024;

/// A piece this long is written from where it stands instead of being gathered.
const DIRECT_LEN: usize = 32 * 1024;

/// What a pipe is asked to hold; the most that it may without privileges (pipe(7)).
const PIPE_LEN: usize = 1024 * 1024;

/// `pwritev2` writes at the descriptor's own position.
const HERE: u64 = u64::MAX;

/// The stream on its way to the receiver.
#[derive(Debug)]
pub struct Output<'r> {
    receiver: &'r Receiver,
    buffer: Vec<u8>,
    /// The descriptor can be waited for, and knows how to write without waiting.
    can_hurry: bool,
}

impl<'r> Output<'r> {
    /// Writes to stdout for as long as `receiver` is silent.
    pub fn new(receiver: &'r Receiver) -> Self {
        // It may be a socket, or the pipe of a user who has too many: then it stays as it is.
        let _as_it_is = fcntl_setpipe_size(stdout(), PIPE_LEN);
        Self {
            receiver,
            buffer: Vec::with_capacity(BUFFER_LEN),
            can_hurry: can_be_waited_for(),
        }
    }

    /// Looks for a verdict, then writes what was gathered, then `bytes`.
    ///
    /// In this order: after the last write of a stream a verdict is due.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.receiver.look()?;
        let mut done = 0;
        while done < self.buffer.len() + bytes.len() {
            let gathered = &self.buffer[done.min(self.buffer.len())..];
            let rest = &bytes[done.saturating_sub(self.buffer.len())..];
            let pieces = [IoSlice::new(gathered), IoSlice::new(rest)];
            let written = if self.can_hurry {
                pwritev2(stdout(), &pieces, HERE, ReadWriteFlags::NOWAIT)
            } else {
                writev(stdout(), &pieces)
            };
            match written {
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.receiver.wait_for_room()?,
                // Linux before 6.4 has no such writes for pipes and sockets.
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::SPIPE | Errno::INVAL)
                    if self.can_hurry =>
                {
                    self.can_hurry = false;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        self.buffer.clear();
        Ok(())
    }
}

/// Lets the receiver see the end of the stream, and go on to its verdict, before this program ends.
pub fn end_stream() {
    // Closing is not enough where one socket is both ends, or where others hold it.
    let _no_socket = shutdown(stdout(), Shutdown::Write);
    let nothing = openat(
        CWD,
        "/dev/null",
        OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let _as_it_is = nothing.and_then(|nothing| dup2_stdout(&nothing));
}

/// True if stdout is a pipe or a socket, as it is wherever there is a receiver.
fn can_be_waited_for() -> bool {
    fstat(stdout()).is_ok_and(|found| {
        let kind = FileType::from_raw_mode(found.st_mode);
        matches!(kind, FileType::Fifo | FileType::Socket)
    })
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() >= DIRECT_LEN || self.buffer.len() + bytes.len() > BUFFER_LEN {
            self.send(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send(&[])
    }
}
