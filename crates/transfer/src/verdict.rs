//! stdin: the receiver's verdict, which may come at any time.
//!
//! It is looked for with `poll` and read only when there is something to read; the descriptor's
//! flags stay as they are, because other processes share them.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use qfile_proto::Verdict;
use qfile_proto::verdict::VerdictParser;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use rustix::stdio::{stdin, stdout};

use crate::error::SendError;
use crate::stop::Stop;
use crate::window::{PACE, Window};

/// How long a verdict may take once its beginning is there, or once the receiver has stopped
/// reading.
pub const REST_TIME: Duration = Duration::from_secs(10);

/// How long its optional name may take: a receiver sends it at once or not at all, and what it
/// leaves running may hold the connection open.
const NAME_TIME: Duration = Duration::from_secs(2);

/// When it is no verdict but text: how long to collect what it says.
const TEXT_TIME: Duration = Duration::from_millis(300);

/// The receiver as the sender hears it.
#[derive(Debug)]
pub struct Receiver {
    /// False where stdin is something else than the receiver's answer.
    is_heard: bool,
    /// A window that shows how far the copy is.
    window: Option<Rc<Window>>,
    /// The end to read from of a pipe that nobody can write to any more once the user has cancelled.
    cancelled: Option<OwnedFd>,
    /// False once the cancellation has been noticed: it is not to end what is done about it.
    heeds_cancellation: Cell<bool>,
}

/// What waiting was ended by.
#[derive(Clone, Copy, Debug)]
enum Event {
    Answer,
    Cancel,
    Ready,
    Nothing,
}

impl Receiver {
    /// The receiver that answers on stdin. Who waits for it keeps `window` up to date.
    #[must_use]
    pub fn new(window: Option<Rc<Window>>) -> Self {
        Self {
            is_heard: true,
            window,
            cancelled: None,
            heeds_cancellation: Cell::new(true),
        }
    }

    /// The same, cancelled when nobody can write to the pipe behind `cancelled` any more.
    #[must_use]
    pub fn cancelled_by(mut self, cancelled: Option<OwnedFd>) -> Self {
        self.cancelled = cancelled;
        self
    }

    /// A receiver whose answer goes elsewhere: stdin is not looked at.
    #[must_use]
    pub fn unheard() -> Self {
        Self {
            is_heard: false,
            window: None,
            cancelled: None,
            heeds_cancellation: Cell::new(true),
        }
    }

    /// Looks for a verdict, without waiting.
    ///
    /// # Errors
    /// [`Stop`], if there is a reason to stop; those of poll(2).
    pub fn look(&self) -> io::Result<()> {
        self.wait_with(None, Some(Duration::ZERO))
    }

    /// Waits until stdout takes more bytes; a verdict that comes first is the error.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub fn wait_for_room(&self) -> io::Result<()> {
        let output = stdout();
        let room = || Some(PollFd::from_borrowed_fd(output, PollFlags::OUT));
        if let Some(window) = &self.window {
            // A receiver may take its time; what the window shows need not be as old as that.
            if matches!(self.wait(room(), Some(PACE))?, Event::Nothing) {
                window.catch_up()?;
            }
        }
        self.wait_with(room(), None)
    }

    /// Waits until `input` has something to read, or its end; a verdict that comes first is the
    /// error. It may return for no reason.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub fn wait_for_input(&self, input: impl AsFd) -> io::Result<()> {
        let input = PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN);
        self.wait_with(Some(input), None)
    }

    /// Waits for the whole verdict: for its first byte as long as `patience` says (`None`: without
    /// limit), for the rest no more than [`REST_TIME`].
    ///
    /// # Errors
    /// Why there is no verdict.
    pub fn verdict(&self, patience: Option<Duration>) -> Result<Verdict, SendError> {
        self.read_verdict(patience, None)
    }

    /// Waits for the verdict on a stream that was given up, no longer than `limit` for all of it.
    /// That the user has cancelled does not end it.
    #[must_use]
    pub fn last_word(&self, limit: Duration) -> Option<Verdict> {
        self.heeds_cancellation.set(false);
        self.read_verdict(Some(limit), Some(limit)).ok()
    }

    /// True if the user cancels within `time`, or has already.
    #[must_use]
    pub fn is_cancelled_within(&self, time: Duration) -> bool {
        let begin = Instant::now();
        let mut fds: Vec<_> = self.cancellations().collect();
        while !fds.is_empty() {
            let left = time.saturating_sub(begin.elapsed());
            let timeout = Timespec::try_from(left).ok();
            match poll(&mut fds, timeout.as_ref()) {
                // The very signal that cancels: the thread that takes it has yet to tell.
                Err(Errno::INTR) => {}
                told => return told.is_ok_and(|count| count > 0),
            }
        }
        false
    }

    fn read_verdict(
        &self,
        patience: Option<Duration>,
        limit: Option<Duration>,
    ) -> Result<Verdict, SendError> {
        let begin = Instant::now();
        let last = limit.and_then(|time| begin.checked_add(time));
        let mut first_byte = None;
        let mut parser = VerdictParser::default();
        let mut buffer = [0; 4096];
        let mut late = false;
        while parser.wanted() > 0 {
            let deadline = match first_byte {
                // One that lies beyond all clocks is none.
                None => patience.and_then(|time| begin.checked_add(time)),
                Some(came) if parser.untrusted_text().is_some() => Some(came + TEXT_TIME),
                Some(came) if parser.has_code() => Some(came + NAME_TIME),
                Some(came) => Some(came + REST_TIME),
            };
            let deadline = last.map_or(deadline, |last| {
                Some(deadline.map_or(last, |at| at.min(last)))
            });
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            match self.wait(None, left).map_err(SendError::from_stream)? {
                Event::Answer => {}
                Event::Cancel => return Err(SendError::Cancelled),
                Event::Ready | Event::Nothing => {
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
                Err(errno) => return Err(SendError::Read(errno.into())),
            }
            if !parser.is_empty() {
                first_byte.get_or_insert_with(Instant::now);
            }
        }
        if let Some(untrusted_text) = parser.untrusted_text() {
            return Err(SendError::Text(untrusted_text.to_vec()));
        }
        let silent = parser.is_empty();
        parser.finish().ok_or(match (silent, late) {
            (true, true) => SendError::Late(begin.elapsed()),
            (true, false) => SendError::NoAnswer,
            (false, _) => SendError::CutAnswer,
        })
    }

    fn wait_with(&self, other: Option<PollFd<'_>>, timeout: Option<Duration>) -> io::Result<()> {
        match self.wait(other, timeout)? {
            Event::Answer => Err(Stop::Answered.into()),
            Event::Cancel => Err(Stop::Cancelled.into()),
            Event::Ready | Event::Nothing => Ok(()),
        }
    }

    /// Waits for a verdict, or for what is asked for. Where several have come, the first in order of
    /// importance is said.
    fn wait(&self, other: Option<PollFd<'_>>, timeout: Option<Duration>) -> io::Result<Event> {
        let input = stdin();
        let answer = PollFd::from_borrowed_fd(input, PollFlags::IN);
        let answer = self.is_heard.then_some((Event::Answer, answer));
        let cancelled = self.heeds_cancellation.get().then(|| self.cancellations());
        let cancelled = cancelled
            .into_iter()
            .flatten()
            .map(|fd| (Event::Cancel, fd));
        let other = other.map(|fd| (Event::Ready, fd));
        let watched = answer.into_iter().chain(cancelled).chain(other);
        let (events, mut fds): (Vec<_>, Vec<_>) = watched.unzip();
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let first = fds.iter().position(|fd| !fd.revents().is_empty());
        Ok(first.map_or(Event::Nothing, |first| events[first]))
    }

    /// What to watch for a cancellation. No event is asked for: that nobody reads in the window any
    /// more (`POLLERR`), or that nobody can write to the pipe (`POLLHUP`), is told unasked.
    fn cancellations(&self) -> impl Iterator<Item = PollFd<'_>> {
        let window = self.window.as_ref().map(|window| window.reader());
        let cancelled = self.cancelled.as_ref().map(AsFd::as_fd);
        let fds = window.into_iter().chain(cancelled);
        fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::empty()))
    }
}

/// Judges the verdict on a stream that was sent to its end.
///
/// # Errors
/// What it says, if that is not a confirmation of this stream.
pub fn confirm(verdict: Verdict, checksum: u32) -> Result<(), SendError> {
    match verdict.error_code {
        0 if verdict.crc32 == u64::from(checksum) => Ok(()),
        0 => Err(SendError::Damaged),
        _ => Err(SendError::Refused(verdict)),
    }
}

/// The failure that a verdict stands for which came before the end of the stream.
#[must_use]
pub fn refusal(verdict: Verdict) -> SendError {
    match verdict.error_code {
        0 => SendError::EarlySuccess,
        _ => SendError::Refused(verdict),
    }
}
