//! stdin: the receiver's verdict, which may come at any time.
//!
//! It is looked for with `poll` and read only when there is something to read; the descriptor's
//! flags stay as they are, because other processes share them.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use qfile_proto::Verdict;
use qfile_proto::verdict::VerdictParser;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use rustix::stdio::{stdin, stdout};

use crate::report::Failure;

/// How long a verdict may take once its beginning is there, or once the receiver has stopped
/// reading.
pub(crate) const REST_TIME: Duration = Duration::from_secs(10);

/// How long its optional name may take: a receiver sends it at once or not at all, and what it
/// leaves running may hold the connection open.
const NAME_TIME: Duration = Duration::from_secs(2);

/// When it is no verdict but text: how long to collect what it says.
const TEXT_TIME: Duration = Duration::from_millis(300);

/// The receiver as the sender hears it.
#[derive(Debug)]
pub(crate) struct Receiver {
    /// Where a progress window reads; when it stops, the user has pressed Cancel.
    cancel_button: Option<OwnedFd>,
}

/// Why sending stops before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The receiver has answered, or is gone.
    Answered,
    /// The user has pressed Cancel.
    Cancelled,
}

/// What there is to do after waiting.
enum Event {
    Answer,
    Room,
    Nothing,
}

impl Receiver {
    pub(crate) fn new(cancel_button: Option<OwnedFd>) -> Self {
        Self { cancel_button }
    }

    /// Looks for a verdict, without waiting.
    pub(crate) fn look(&self) -> io::Result<()> {
        match self.wait(false, Some(Duration::ZERO))? {
            Event::Answer => Err(Stop::Answered.into()),
            Event::Room | Event::Nothing => Ok(()),
        }
    }

    /// Waits until stdout takes more bytes; a verdict that comes first is the error.
    pub(crate) fn wait_for_room(&self) -> io::Result<()> {
        match self.wait(true, None)? {
            Event::Answer => Err(Stop::Answered.into()),
            Event::Room | Event::Nothing => Ok(()),
        }
    }

    /// Waits for the whole verdict: for its first byte as long as `patience` says (`None`: without
    /// limit), for the rest no more than [`REST_TIME`].
    pub(crate) fn verdict(&self, patience: Option<Duration>) -> Result<Verdict, Failure> {
        let begin = Instant::now();
        let mut first_byte = None;
        let mut parser = VerdictParser::default();
        let mut buffer = [0; 4096];
        let mut late = false;
        while parser.wanted() > 0 {
            let deadline = match first_byte {
                None => patience.map(|time| begin + time),
                Some(came) if parser.untrusted_text().is_some() => Some(came + TEXT_TIME),
                Some(came) if parser.has_code() => Some(came + NAME_TIME),
                Some(came) => Some(came + REST_TIME),
            };
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            match self.wait(false, left).map_err(Failure::from_stream)? {
                Event::Answer => {}
                Event::Room | Event::Nothing => {
                    late = deadline.is_some_and(|at| at <= Instant::now());
                    if late {
                        break;
                    }
                    continue;
                }
            }
            let wanted = parser.wanted().min(buffer.len());
            match read(stdin(), &mut buffer[..wanted]) {
                // A reset connection is an end too: what came before it is whole.
                Ok(0) | Err(Errno::CONNRESET) => break,
                Ok(count) => parser.push(&buffer[..count]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(errno) => return Err(Failure::Read(errno.into())),
            }
            if !parser.is_empty() {
                first_byte.get_or_insert_with(Instant::now);
            }
        }
        if let Some(untrusted_text) = parser.untrusted_text() {
            return Err(Failure::Text(untrusted_text.to_vec()));
        }
        let silent = parser.is_empty();
        parser.finish().ok_or(match (silent, late) {
            (true, true) => Failure::Late(begin.elapsed()),
            (true, false) => Failure::NoAnswer,
            (false, _) => Failure::CutAnswer,
        })
    }

    /// Waits for a verdict, or, if asked to, for room in stdout. The verdict comes first.
    fn wait(&self, for_room: bool, timeout: Option<Duration>) -> io::Result<Event> {
        let (input, output) = (stdin(), stdout());
        let mut fds = Vec::with_capacity(3);
        fds.push(PollFd::from_borrowed_fd(input, PollFlags::IN));
        if for_room {
            fds.push(PollFd::from_borrowed_fd(output, PollFlags::OUT));
        }
        if let Some(button) = &self.cancel_button {
            // Nothing is asked for: that nobody reads any more is told unasked.
            fds.push(PollFd::from_borrowed_fd(button.as_fd(), PollFlags::empty()));
        }
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let happened = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        let (room, cancelled) = if for_room {
            (happened(1), happened(2))
        } else {
            (false, happened(1))
        };
        match (happened(0), cancelled, room) {
            (true, _, _) => Ok(Event::Answer),
            (_, true, _) => Err(Stop::Cancelled.into()),
            (_, _, true) => Ok(Event::Room),
            _ => Ok(Event::Nothing),
        }
    }
}

/// Judges the verdict on a stream that was sent to its end.
pub(crate) fn confirm(verdict: Verdict, checksum: u32) -> Result<(), Failure> {
    match verdict.error_code {
        0 if verdict.crc32 == u64::from(checksum) => Ok(()),
        0 => Err(Failure::Damaged),
        _ => Err(Failure::Refused(verdict)),
    }
}

/// The failure that a verdict stands for which came before the end of the stream.
pub(crate) fn refusal(verdict: Verdict) -> Failure {
    match verdict.error_code {
        0 => Failure::EarlySuccess,
        _ => Failure::Refused(verdict),
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answered => "the receiver answered before the end",
            Self::Cancelled => "cancelled",
        })
    }
}

impl std::error::Error for Stop {}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        Self::other(stop)
    }
}
