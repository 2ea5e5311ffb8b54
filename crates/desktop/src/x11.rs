//! The X servers of this qube, which are reached by their Unix sockets alone.
//!
//! The library would try TCP where there is no socket, and give the key of the user to whoever listens at
//! that port. It would also wait for an answer without end, and read without end what a server sends. The
//! [`Stream`] of a [`Connection`] does neither: it has a deadline, notices that the program was told to
//! end, and reads a limited amount at a time.

use std::env;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use program::bounded::timespec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use x11rb::errors::ConnectError;
use x11rb::reexports::x11rb_protocol::xauth::get_auth;
use x11rb::rust_connection::{DefaultStream, PollMode, RustConnection};
use x11rb::utils::RawFdContainer;

/// The folder of the sockets.
const SOCKETS: &str = "/tmp/.X11-unix";

/// How long to wait before the server is looked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// Most bytes that are read before somebody looks at what was read.
const MAX_READ: usize = 256 * 1024;

/// A connection to an X server.
pub type Connection = RustConnection<Stream>;

/// The number of an X server of this qube.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Display(u16);

impl FromStr for Display {
    type Err = &'static str;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let number = typed.strip_prefix(':').and_then(decimal);
        let number = number.and_then(|number| u16::try_from(number).ok());
        number
            .map(Self)
            .ok_or("give a colon and a number, such as :0")
    }
}

impl fmt::Display for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}", self.0)
    }
}

/// Why there is no connection to a server: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotConnected(String);

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What ends the wait for a server.
#[derive(Debug, Default)]
pub struct Limits {
    /// This moment.
    pub deadline: Option<Instant>,
    /// This can be read: the program was told to end.
    pub end: Option<UnixStream>,
}

impl Display {
    /// The server with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The server that `DISPLAY` names, and the number of its screen.
    ///
    /// # Errors
    /// It names no server of this qube.
    pub fn of_session() -> Result<(Self, usize), NotConnected> {
        let named = env::var("DISPLAY").unwrap_or_default();
        parse(&named).ok_or_else(|| {
            NotConnected("DISPLAY names no X server of this qube, such as :0".to_owned())
        })
    }

    /// Connects to a screen of the server.
    ///
    /// # Errors
    /// It is not there, refuses, or does not answer within the limits.
    pub fn connect(self, screen: usize, limits: Limits) -> Result<Connection, NotConnected> {
        self.try_to_connect(screen, limits)
            .map_err(|error| NotConnected(explained(&error)))
    }

    /// The same with a server that may still have to start, or to write the key of this user. It is tried
    /// again until the deadline.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_by(self, screen: usize, deadline: Instant) -> Result<Connection, NotConnected> {
        let mut why = None;
        loop {
            let limits = Limits {
                deadline: Some(deadline),
                end: None,
            };
            let error = match self.try_to_connect(screen, limits) {
                Ok(connected) => return Ok(connected),
                Err(error) => error,
            };
            // The last try may have been cut short; the one before it says more.
            if why.is_none() || !is_late(&error) {
                why = Some(NotConnected(explained(&error)));
            }
            match why.take() {
                Some(why) if Instant::now() + PAUSE >= deadline => return Err(why),
                told => why = told,
            }
            thread::sleep(PAUSE);
        }
    }

    fn try_to_connect(self, screen: usize, limits: Limits) -> Result<Connection, ConnectError> {
        let path = self.socket();
        let socket = loop {
            match open(&path) {
                // Nobody accepts as many as want to connect.
                Err(Errno::AGAIN) => limits.wait(None, Some(PAUSE))?,
                opened => break opened.map_err(io::Error::from)?,
            }
        };
        let (inner, (family, address)) = DefaultStream::from_unix_stream(socket)?;
        let stream = Stream {
            inner,
            deadline: Mutex::new(limits.deadline),
            end: limits.end,
            can_read: AtomicUsize::new(MAX_READ),
        };
        // Servers without a key let in who has none.
        let key = get_auth(family, &address, self.0).ok().flatten();
        let (name, key) = key.unwrap_or_default();
        RustConnection::connect_to_stream_with_auth_info(stream, screen, name, key)
    }

    fn socket(self) -> PathBuf {
        Path::new(SOCKETS).join(format!("X{}", self.0))
    }
}

/// Is this the socket of a server that has ended? Nobody listens there.
#[must_use]
pub fn is_stale(socket: &Path) -> bool {
    matches!(open(socket), Err(Errno::CONNREFUSED | Errno::NOENT))
}

/// Connects to a socket, and does not wait for who listens there (`EAGAIN`).
fn open(path: &Path) -> Result<UnixStream, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}

/// `:0`, `:0.1`, `unix:0`: the number of the server, and that of the screen.
fn parse(display: &str) -> Option<(Display, usize)> {
    let (host, rest) = display.split_once(':')?;
    let (number, screen) = match rest.split_once('.') {
        Some((number, screen)) => (number, decimal(screen)?),
        None => (rest, 0),
    };
    let number = u16::try_from(decimal(number)?).ok()?;
    matches!(host, "" | "unix").then_some((Display(number), screen))
}

fn decimal(digits: &str) -> Option<usize> {
    let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_decimal)
}

fn is_late(error: &ConnectError) -> bool {
    matches!(error, ConnectError::IoError(error) if error.kind() == io::ErrorKind::TimedOut)
}

/// An error in words of this program: those of a server can be any bytes.
fn explained(error: &ConnectError) -> String {
    let refuses = |untrusted_reason: &[u8]| {
        let reason = text::line(untrusted_reason.trim_ascii_end());
        format!("it refuses this program: {reason}")
    };
    match error {
        ConnectError::IoError(error) => error.to_string(),
        ConnectError::SetupFailed(failed) => refuses(&failed.reason),
        ConnectError::SetupAuthenticate(wanted) => refuses(&wanted.reason),
        ConnectError::InvalidScreen => "it does not have this screen".to_owned(),
        _ => "its answer is not that of an X server".to_owned(),
    }
}

impl Limits {
    /// Waits for an event, for `at_most` as long.
    ///
    /// # Errors
    /// A limit is reached, or waiting fails.
    fn wait(&self, event: Option<PollFd<'_>>, at_most: Option<Duration>) -> io::Result<()> {
        wait(event, self.deadline, self.end.as_ref(), at_most)
    }
}

fn wait(
    event: Option<PollFd<'_>>,
    deadline: Option<Instant>,
    end: Option<&UnixStream>,
    at_most: Option<Duration>,
) -> io::Result<()> {
    let end = end.map(|end| PollFd::new(end, PollFlags::IN));
    let has_end = end.is_some();
    let mut polled: Vec<PollFd<'_>> = end.into_iter().chain(event).collect();
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "it does not answer",
            ));
        }
        let longest = left.into_iter().chain(at_most).min().map(timespec);
        let count = match poll(&mut polled, longest.as_ref()) {
            Err(Errno::INTR) => continue,
            count => count?,
        };
        if has_end && !polled[0].revents().is_empty() {
            return Err(io::Error::other("the program was told to end"));
        }
        if count > 0 || at_most.is_some() {
            return Ok(());
        }
    }
}

/// The bytes to and from a server.
#[derive(Debug)]
pub struct Stream {
    inner: DefaultStream,
    deadline: Mutex<Option<Instant>>,
    end: Option<UnixStream>,
    /// How much can be read before [`read_more`](Self::read_more).
    can_read: AtomicUsize,
}

impl Stream {
    /// From then on, waiting for the server fails.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    /// Has the deadline passed?
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.deadline()
            .is_some_and(|deadline| deadline <= Instant::now())
    }

    /// What was read has been looked at, and more can be read. Where the server is waited for, more is
    /// read in any case.
    pub fn read_more(&self) {
        self.can_read.store(MAX_READ, Ordering::Relaxed);
    }

    fn deadline(&self) -> Option<Instant> {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        AsFd::as_fd(&self.inner)
    }
}

impl x11rb::rust_connection::Stream for Stream {
    fn poll(&self, mode: PollMode) -> io::Result<()> {
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, mode.readable());
        events.set(PollFlags::OUT, mode.writable());
        let event = PollFd::new(&self.inner, events);
        wait(Some(event), self.deadline(), self.end.as_ref(), None)?;
        self.read_more();
        Ok(())
    }

    fn read(&self, buffer: &mut [u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        let can_read = self.can_read.load(Ordering::Relaxed);
        let len = buffer.len().min(can_read);
        if len == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = self.inner.read(&mut buffer[..len], fds)?;
        self.can_read
            .store(can_read.saturating_sub(count), Ordering::Relaxed);
        Ok(count)
    }

    fn write(&self, buffer: &[u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.inner.write(buffer, fds)
    }

    fn write_vectored(
        &self,
        buffers: &[io::IoSlice<'_>],
        fds: &mut Vec<RawFdContainer>,
    ) -> io::Result<usize> {
        self.inner.write_vectored(buffers, fds)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixListener;

    use x11rb::protocol::xproto::{SetupAuthenticate, SetupFailed};
    use x11rb::rust_connection::Stream as _;

    use super::*;

    #[test]
    fn a_display_is_a_number_of_this_qube() {
        assert_eq!(":0".parse(), Ok(Display(0)));
        assert_eq!(":17".parse(), Ok(Display(17)));
        for wrong in [
            "",
            ":",
            "0",
            ":-1",
            ":+1",
            ":x",
            ":0.0",
            "host:0",
            "unix:/tmp/x",
            "/tmp/x",
            ":65536",
        ] {
            assert!(wrong.parse::<Display>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_display_of_a_session_can_name_a_screen_but_no_other_machine() {
        assert_eq!(parse(":0"), Some((Display(0), 0)));
        assert_eq!(parse(":10.2"), Some((Display(10), 2)));
        assert_eq!(parse("unix:3"), Some((Display(3), 0)));
        for wrong in [
            "",
            "0",
            ":",
            ":0.",
            ":.1",
            "localhost:0",
            "tcp/a:0",
            ":+1",
            "/tmp/a:0",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_a_server_says_is_one_line_that_a_terminal_can_show() {
        let failed = ConnectError::SetupFailed(SetupFailed {
            reason: b"no\x1b[2J\nkey\n".to_vec(),
            ..SetupFailed::default()
        });
        assert_eq!(explained(&failed), "it refuses this program: no_[2J_key");
        let wanted = ConnectError::SetupAuthenticate(SetupAuthenticate {
            reason: b"\xff\n\n".to_vec(),
            ..SetupAuthenticate::default()
        });
        assert_eq!(explained(&wanted), "it refuses this program: _");
    }

    fn streams() -> (Stream, UnixStream, UnixStream) {
        let (ours, server) = UnixStream::pair().unwrap();
        let (end, tell) = UnixStream::pair().unwrap();
        let stream = Stream {
            inner: DefaultStream::from_unix_stream(ours).unwrap().0,
            deadline: Mutex::new(None),
            end: Some(end),
            can_read: AtomicUsize::new(0),
        };
        (stream, server, tell)
    }

    #[test]
    fn a_server_is_waited_for_until_the_deadline_or_the_end() {
        let (stream, _server, tell) = streams();
        stream.set_deadline(Some(Instant::now() + Duration::from_millis(1)));
        let error = stream.poll(PollMode::Readable).unwrap_err();
        assert_eq!(error.to_string(), "it does not answer");
        assert!(stream.is_late());
        stream.set_deadline(None);
        (&tell).write_all(b"x").unwrap();
        let error = stream.poll(PollMode::Readable).unwrap_err();
        assert_eq!(error.to_string(), "the program was told to end");
    }

    #[test]
    fn a_limited_amount_is_read_at_once() {
        let (stream, server, _tell) = streams();
        thread::spawn(move || (&server).write_all(&vec![7; MAX_READ + 1]).unwrap());
        stream.poll(PollMode::Readable).unwrap();
        let mut buffer = vec![0; MAX_READ + 1];
        let mut count = 0;
        let mut read = || loop {
            match stream.read(&mut buffer, &mut Vec::new()) {
                Ok(read) => return Some(read),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            if stream.can_read.load(Ordering::Relaxed) == 0 {
                return None;
            }
        };
        while let Some(read) = read() {
            count += read;
        }
        assert_eq!(count, MAX_READ);
        stream.poll(PollMode::Readable).unwrap();
        assert_eq!(stream.read(&mut [0; 9], &mut Vec::new()).unwrap(), 1);
    }

    #[test]
    fn a_socket_at_which_nobody_listens_is_stale() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("X1");
        assert!(is_stale(&path));
        let listener = UnixListener::bind(&path).unwrap();
        assert!(!is_stale(&path));
        drop(listener);
        assert!(is_stale(&path));
    }
}
