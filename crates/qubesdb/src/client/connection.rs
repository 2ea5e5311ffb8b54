//! A connection to the daemon: bytes out, whole messages in.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::error::Error;
use crate::header::{HEADER_LEN, Header};

/// Most bytes that are read at once.
const BUFFER_LEN: usize = 32 * 1024;

/// A connection that was made.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    // What was read and not yet taken is `buffer[from..until]`; a message always fits.
    buffer: Box<[u8]>,
    from: usize,
    until: usize,
}

impl Connection {
    /// Connects to the socket at `path`; no read or write waits longer than `timeout`.
    pub(super) fn open(path: &std::path::Path, timeout: Option<Duration>) -> io::Result<Self> {
        Ok(Self {
            stream: open_stream(path, timeout)?,
            buffer: vec![0; BUFFER_LEN].into(),
            from: 0,
            until: 0,
        })
    }

    /// The socket, to be waited for.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Sets how long a read or a write waits; `None`: as long as it takes.
    pub(super) fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        limit(self.stream.as_fd(), timeout)
    }

    /// Sends all of `message`.
    pub(super) fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        self.stream.write_all(message).map_err(failed_io)
    }

    /// Is a whole message there that was read together with an earlier one?
    pub(super) fn has_message(&self) -> bool {
        let waiting = &self.buffer[self.from..self.until];
        let Some((head, rest)) = waiting.split_first_chunk::<HEADER_LEN>() else {
            return false;
        };
        // A malformed one is there as well: it is to be found.
        let len = Header::parse(head).map_or(0, |header| header.data_len);
        usize::try_from(len).is_ok_and(|len| len <= rest.len())
    }

    /// The next message that is whole. The data of answers has no NUL, as a value; it is not judged
    /// here.
    pub(super) fn next_message(&mut self) -> Result<Option<(Header, Vec<u8>)>, Error> {
        let waiting = &self.buffer[self.from..self.until];
        let Some((head, rest)) = waiting.split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let header = Header::parse(head).map_err(|_| Error::Protocol("a malformed header"))?;
        let len = usize::try_from(header.data_len).unwrap_or(usize::MAX);
        let Some(data) = rest.get(..len) else {
            return Ok(None);
        };
        let data = data.to_vec();
        self.from += HEADER_LEN + len;
        Ok(Some((header, data)))
    }

    /// Reads once.
    pub(super) fn fill(&mut self) -> Result<(), Error> {
        self.buffer.copy_within(self.from..self.until, 0);
        self.until -= self.from;
        self.from = 0;
        let got = loop {
            match self.stream.read(&mut self.buffer[self.until..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other.map_err(failed_io)?,
            }
        };
        if got == 0 {
            return Err(Error::Gone(ErrorKind::UnexpectedEof.into()));
        }
        self.until += got;
        Ok(())
    }
}

fn open_stream(path: &std::path::Path, timeout: Option<Duration>) -> io::Result<UnixStream> {
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // Before the connection is made: a full backlog blocks, too.
    limit(socket.as_fd(), timeout)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}

fn limit(socket: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<()> {
    // The system takes a time of 0 for no limit.
    let timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
    set_socket_timeout(socket, Timeout::Recv, timeout)?;
    set_socket_timeout(socket, Timeout::Send, timeout)?;
    Ok(())
}

fn failed_io(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::TimedOut,
        _ => Error::Gone(error),
    }
}
