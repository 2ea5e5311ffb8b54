//! XenStore: one command, WRITE, over the device of the kernel or a socket.
//!
//! A message is a header of four numbers in the byte order of the machine, its type, a number that
//! the answer repeats, a transaction (0: none) and the length of what follows (xen/io/xs_wire.h).

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use text::foreign;

const WRITE: u32 = 11;
const WATCH_EVENT: u32 = 15;
const ERROR: u32 = 16;

const HEADER_LEN: usize = 16;

/// Longest message without its header (XENSTORE_PAYLOAD_MAX).
const MAX_LEN: usize = 4096;

/// Nobody asked for events, so this many mean that something is wrong.
const MAX_EVENTS: u32 = 1000;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why something was not written.
#[derive(Debug)]
pub(crate) enum Error {
    /// XenStore cannot be spoken to.
    Io(io::Error),
    /// XenStore refused, and gave the name of an error such as `EACCES`.
    Refused(Vec<u8>),
    /// The answer is none.
    Protocol(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Refused(untrusted_name) => {
                write!(f, "XenStore refused: {}", foreign(untrusted_name))
            }
            Self::Protocol(what) => write!(f, "XenStore answered with {what}"),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What XenStore is spoken to through.
pub(crate) trait Connection: Read + Write + AsFd + fmt::Debug {}

impl<T: Read + Write + AsFd + fmt::Debug> Connection for T {}

/// An open connection.
#[derive(Debug)]
pub(crate) struct XenStore {
    connection: Box<dyn Connection>,
    number: u32,
}

impl XenStore {
    /// Opens a device, or connects to a socket.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let is_socket = fs::metadata(path)?.file_type().is_socket();
        let connection: Box<dyn Connection> = match is_socket {
            true => Box::new(UnixStream::connect(path)?),
            false => Box::new(OpenOptions::new().read(true).write(true).open(path)?),
        };
        Ok(Self::on(connection))
    }

    fn on(connection: Box<dyn Connection>) -> Self {
        Self {
            connection,
            number: 0,
        }
    }

    /// Writes a value. A path that does not begin with `/` is below that of this domain.
    pub(crate) fn write(&mut self, path: &str, value: &[u8]) -> Result<(), Error> {
        self.number = self.number.wrapping_add(1);
        let message = message(self.number, path, value)?;
        self.connection.write_all(&message)?;
        self.connection.flush()?;
        for _ in 0..MAX_EVENTS {
            let (header, data) = self.hear()?;
            match judge(&header, self.number, data) {
                Heard::Event => {}
                Heard::Answer(ended) => return ended,
            }
        }
        Err(Error::Protocol("nothing but events"))
    }

    /// The next message.
    fn hear(&mut self) -> Result<(Header, Vec<u8>), Error> {
        let mut bytes = [0; HEADER_LEN];
        self.read_exact(&mut bytes)?;
        let header = Header::parse(bytes);
        let len = usize::try_from(header.len).unwrap_or(usize::MAX);
        if len > MAX_LEN {
            return Err(Error::Protocol("a message that is too long"));
        }
        let mut data = vec![0; len];
        self.read_exact(&mut data)?;
        Ok((header, data))
    }

    fn read_exact(&mut self, mut room: &mut [u8]) -> Result<(), Error> {
        while !room.is_empty() {
            let patience = Timespec::try_from(PATIENCE).ok();
            let ready = {
                let descriptor = self.connection.as_fd();
                let mut waiting = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
                poll(&mut waiting, patience.as_ref())
            };
            match ready {
                Ok(0) => return Err(Error::Io(ErrorKind::TimedOut.into())),
                Err(rustix::io::Errno::INTR) => continue,
                other => other.map_err(io::Error::from)?,
            };
            match self.connection.read(room) {
                Ok(0) => return Err(Error::Io(ErrorKind::UnexpectedEof.into())),
                Ok(len) => room = &mut room[len..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The head of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    kind: u32,
    number: u32,
    len: u32,
}

impl Header {
    /// Reads one. Every bytes are one.
    pub(crate) fn parse(bytes: [u8; HEADER_LEN]) -> Self {
        let word = |at: usize| {
            let bytes = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            u32::from_ne_bytes(bytes)
        };
        Self {
            kind: word(0),
            number: word(4),
            len: word(12),
        }
    }
}

/// What a message means to one that waits for the answer to its WRITE.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Nothing.
    Event,
    /// How it ended.
    Answer(Result<(), Error>),
}

/// Judges a message; `number` is that of the command.
pub(crate) fn judge(header: &Header, number: u32, mut data: Vec<u8>) -> Heard {
    match header.kind {
        WATCH_EVENT => Heard::Event,
        _ if header.number != number => {
            Heard::Answer(Err(Error::Protocol("an answer to something else")))
        }
        WRITE if data == b"OK\0" => Heard::Answer(Ok(())),
        ERROR => {
            data.truncate(
                data.iter()
                    .position(|byte| *byte == 0)
                    .unwrap_or(data.len()),
            );
            Heard::Answer(Err(Error::Refused(data)))
        }
        _ => Heard::Answer(Err(Error::Protocol("something else than OK"))),
    }
}

/// The command.
fn message(number: u32, path: &str, value: &[u8]) -> Result<Vec<u8>, Error> {
    let payload = [path.as_bytes(), b"\0", value].concat();
    let len = u32::try_from(payload.len()).ok();
    let len = len.filter(|_| payload.len() <= MAX_LEN);
    let len = len.ok_or(Error::Io(ErrorKind::InvalidInput.into()))?;
    let words = [WRITE, number, 0, len].map(u32::to_ne_bytes);
    Ok([words.concat(), payload].concat())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    fn answer(kind: u32, number: u32, data: &[u8]) -> Vec<u8> {
        let len = u32::try_from(data.len()).unwrap();
        let words = [kind, number, 0, len].map(u32::to_ne_bytes);
        [&words.concat(), data].concat()
    }

    /// Writes twice to one that sends `answers` after each command; what it heard, and how the
    /// second ended.
    fn spoken(answers: [Vec<u8>; 2]) -> (Vec<u8>, Result<(), Error>) {
        let (near, mut far) = UnixStream::pair().unwrap();
        let peer = thread::spawn(move || {
            let mut heard = Vec::new();
            for answer in answers {
                let mut message = [0; 16 + 21];
                far.read_exact(&mut message).unwrap();
                heard.extend(message);
                far.write_all(&answer).unwrap();
            }
            heard
        });
        let mut store = XenStore::on(Box::new(near));
        store.write("memory/meminfo", b"123456").unwrap();
        let ended = store.write("memory/meminfo", b"123456");
        (peer.join().unwrap(), ended)
    }

    #[test]
    fn a_value_is_written_with_its_path_and_a_new_number() {
        let ok = |number| answer(WRITE, number, b"OK\0");
        let (heard, ended) = spoken([ok(1), ok(2)]);
        ended.unwrap();
        let words = |number: u32| [11, number, 0, 21].map(u32::to_ne_bytes).concat();
        let payload = b"memory/meminfo\x00123456";
        let expected = [&words(1), &payload[..], &words(2), payload].concat();
        assert_eq!(heard, expected);
    }

    #[test]
    fn events_are_passed_over() {
        let event = answer(WATCH_EVENT, 0, b"path\0token\0");
        let ok = |number| answer(WRITE, number, b"OK\0");
        let (_, ended) = spoken([ok(1), [event.clone(), event, ok(2)].concat()]);
        ended.unwrap();
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for (sent, said) in [
            (answer(ERROR, 2, b"EACCES\0"), "XenStore refused: EACCES"),
            (answer(ERROR, 2, b"\x1b[2J"), "XenStore refused: _[2J"),
            (
                answer(WRITE, 1, b"OK\0"),
                "XenStore answered with an answer to something else",
            ),
            (
                answer(WRITE, 2, b"OK"),
                "XenStore answered with something else than OK",
            ),
            (
                answer(2, 2, b"OK\0"),
                "XenStore answered with something else than OK",
            ),
            (
                [11, 2, 0, 4097].map(u32::to_ne_bytes).concat(),
                "XenStore answered with a message that is too long",
            ),
            (vec![1, 2, 3], "unexpected end of file"),
        ] {
            let (_, ended) = spoken([answer(WRITE, 1, b"OK\0"), sent]);
            assert_eq!(ended.unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn what_does_not_fit_is_not_sent() {
        assert!(message(1, "x", &[b'1'; 4094]).is_ok());
        assert!(message(1, "x", &[b'1'; 4095]).is_err());
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(
            bytes in any::<[u8; HEADER_LEN]>(),
            data in proptest::collection::vec(any::<u8>(), 0..40),
            number in any::<u32>(),
        ) {
            let header = Header::parse(bytes);
            if let Heard::Answer(Ok(())) = judge(&header, number, data.clone()) {
                prop_assert_eq!(header.number, number);
                prop_assert_eq!(data, b"OK\0");
            }
        }
    }
}
