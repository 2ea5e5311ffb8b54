//! A window that shows how far a copy is, and has a button to cancel it: another program draws it,
//! which is told byte counts, one a line (`PROGRESS_TYPE=gui`).
//!
//! The total is held back until the receiver has confirmed the copy: a window may close at 100 %,
//! and one that closes earlier means Cancel.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, write};

use crate::stop::Stop;

/// The shortest time between two counts that a window is told.
pub(crate) const PACE: Duration = Duration::from_millis(100);

/// Where the counts go. The descriptor breaks when nobody reads them any more.
#[derive(Debug)]
pub struct Window {
    window: OwnedFd,
    total: Option<u64>,
    /// Bytes that were sent.
    sent: Cell<u64>,
    /// How many of them the window was last told of, and when.
    told: Cell<(u64, Instant)>,
}

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// How long a window may take for its last line.
const AT_LAST: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

impl Window {
    /// A window that is told at `window`. It is never told the `total` before the end.
    #[must_use]
    pub fn new(window: OwnedFd, total: Option<u64>) -> Self {
        Self {
            window,
            total,
            sent: Cell::new(0),
            told: Cell::new((0, Instant::now())),
        }
    }

    /// Tells the window that nothing was sent yet.
    ///
    /// # Errors
    /// [`Stop::Cancelled`]; those of poll(2).
    pub fn begin(&self) -> io::Result<()> {
        self.write(0, &AT_ONCE)
    }

    /// So many bytes were sent, of which the window is told when it is time.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn show(&self, sent: u64) -> io::Result<()> {
        self.sent.set(sent);
        let (_, when) = self.told.get();
        match when.elapsed() >= PACE {
            true => self.catch_up(),
            false => Ok(()),
        }
    }

    /// Writes the last count.
    pub fn finish(&self, sent: u64) {
        let _window_is_closed = self.write(sent, &AT_LAST);
    }

    fn write(&self, sent: u64, patience: &Timespec) -> io::Result<()> {
        let mut window = [PollFd::from_borrowed_fd(
            self.window.as_fd(),
            PollFlags::OUT,
        )];
        poll(&mut window, Some(patience))?;
        if !window[0].revents().contains(PollFlags::OUT) {
            return match window[0].revents().is_empty() {
                true => Ok(()),
                false => Err(Stop::Cancelled.into()),
            };
        }
        match write(&self.window, format!("{sent}\n").as_bytes()) {
            Err(Errno::PIPE | Errno::CONNRESET) => Err(Stop::Cancelled.into()),
            // Whatever else may be wrong with a window is no reason to stop the copy.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Where it is told. When nobody reads there any more, the user has pressed Cancel.
    pub(crate) fn reader(&self) -> BorrowedFd<'_> {
        self.window.as_fd()
    }

    /// Tells it how much was sent, unless it knows the count, is behind with its reading, or the count
    /// is the total.
    pub(crate) fn catch_up(&self) -> io::Result<()> {
        let sent = self.sent.get();
        let (told, _) = self.told.get();
        if sent == told || self.total.is_some_and(|total| sent >= total) {
            return Ok(());
        }
        self.told.set((sent, Instant::now()));
        self.write(sent, &AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;

    use super::*;

    /// What a window is told.
    fn told(total: Option<u64>, show: impl FnOnce(&Window)) -> String {
        let (reader, window) = rustix::pipe::pipe().unwrap();
        let window = Window::new(window, total);
        show(&window);
        drop(window);
        let mut lines = String::new();
        File::from(reader).read_to_string(&mut lines).unwrap();
        lines
    }

    #[test]
    fn the_total_is_held_back_until_the_copy_is_confirmed() {
        let lines = told(Some(100), |window| {
            window.begin().unwrap();
            for sent in [99, 100, 101] {
                window.show(sent).unwrap();
                window.catch_up().unwrap();
            }
            window.finish(100);
        });
        assert_eq!(lines, "0\n99\n100\n");
    }

    #[test]
    fn a_window_is_told_what_is_new_and_that_once() {
        let lines = told(None, |window| {
            window.begin().unwrap();
            window.catch_up().unwrap();
            for sent in [1, 2] {
                window.show(sent).unwrap();
            }
            window.catch_up().unwrap();
            window.catch_up().unwrap();
        });
        assert_eq!(lines.lines().last(), Some("2"));
        assert_eq!(lines.matches('2').count(), 1, "{lines}");
    }

    #[test]
    fn a_window_that_does_not_read_is_not_waited_for() {
        let (_reader, window) = rustix::pipe::pipe().unwrap();
        let window = Window::new(window, None);
        // More than any pipe holds.
        for sent in 0..200_000 {
            window.show(sent).unwrap();
            window.catch_up().unwrap();
        }
    }

    #[test]
    fn a_window_that_is_gone_means_cancel() {
        let (reader, window) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let window = Window::new(window, None);
        let error = window.begin().unwrap_err().downcast::<Stop>();
        assert_eq!(error.unwrap(), Stop::Cancelled);
    }
}
