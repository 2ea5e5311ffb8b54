//! What watches have to say, in the order of its arrival.

use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::connection::Connection;
use super::{Client, left};
use crate::error::Error;
use crate::header::Kind;
use crate::path::Path;

/// Most events that wait to be fetched. What is more is dropped together with the connection, and
/// [`Event::Reconnected`] says so.
pub const MAX_EVENTS: usize = 100_000;

/// How long a client waits before it tries to connect again.
pub(super) const RECONNECT_EVERY: Duration = Duration::from_millis(50);

/// Something that a watch has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// This path was written, or it was removed; a path that ends with `/`: all below was removed.
    Changed(Path),
    /// The connection was lost and made again. The watches are set again, but changes in between
    /// were not told: read anew.
    Reconnected,
}

impl Client {
    /// The next event; waits at most `timeout` for it, `None`: as long as it takes.
    ///
    /// A daemon that goes away is waited for.
    ///
    /// # Errors
    /// [`Error::TimedOut`]: there was none.
    pub fn next_event(&mut self, timeout: Option<Duration>) -> Result<Event, Error> {
        let started = Instant::now();
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let left = left(started, timeout);
            if self.connection.is_none() && self.connect().is_err() {
                let pause = left?.map_or(RECONNECT_EVERY, |left| left.min(RECONNECT_EVERY));
                thread::sleep(pause);
                continue;
            }
            // Also when the time is over, what is there is taken: else a caller that does not want
            // to wait would never get anything.
            match self.take_in_events(left.unwrap_or(Some(Duration::ZERO))) {
                Err(Error::Gone(_) | Error::Protocol(_)) => self.connection = None,
                other => other?,
            }
        }
    }

    /// Is there an event that [`Client::next_event`] gives without waiting for the descriptor? A
    /// call takes in events that arrive before its answer, so the descriptor alone does not say it.
    #[must_use]
    pub fn has_event(&self) -> bool {
        let has_message = |connection: &Connection| connection.has_message();
        !self.events.is_empty() || self.connection.as_ref().is_none_or(has_message)
    }

    /// Takes in what has arrived, after waiting for it.
    fn take_in_events(&mut self, wait: Option<Duration>) -> Result<(), Error> {
        loop {
            match self.connected()?.next_message()? {
                Some((header, _)) if header.kind == Kind::Changed => {
                    self.keep_event(header.path)?
                }
                Some(_) => return Err(Error::Protocol("an answer that nobody asked for")),
                None if !self.events.is_empty() => return Ok(()),
                None => break,
            }
        }
        let connection = self.connected()?;
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let socket = connection.descriptor();
        match poll(&mut [PollFd::new(&socket, PollFlags::IN)], wait.as_ref()) {
            Ok(0) => Err(Error::TimedOut),
            Ok(_) => connection.fill(),
            Err(Errno::INTR) => Ok(()),
            Err(error) => Err(Error::Gone(error.into())),
        }
    }

    pub(super) fn keep_event(&mut self, path: Path) -> Result<(), Error> {
        if self.events.len() >= MAX_EVENTS {
            return Err(Error::Protocol("more events than are kept"));
        }
        self.events.push_back(Event::Changed(path));
        Ok(())
    }
}
