//! `PROGRESS_TYPE=gui`: byte counts, one a line, for the program that draws a window.
//!
//! The total is held back until the receiver has confirmed the copy: a window may close at 100 %,
//! and one that closes earlier means Cancel.

use std::env;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use qfile_sender::Stop;
use qvm_common::inherited;
use qvm_common::say::say;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, write};

/// Where the counts go.
#[derive(Debug)]
pub(crate) struct Gui {
    window: OwnedFd,
    total: Option<u64>,
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

impl Gui {
    /// The descriptor whose number is `SAVED_FD_1`. A copy without progress is better than none.
    pub(crate) fn from_environment(total: Option<u64>) -> Option<Self> {
        let number = env::var("SAVED_FD_1").ok()?.parse().ok()?;
        match inherited::take(number) {
            Ok(window) => Some(Self { window, total }),
            Err(error) => {
                say(format_args!(
                    "qfile-agent: no progress will be shown: cannot use descriptor {number} \
                     (SAVED_FD_1): {error}"
                ));
                None
            }
        }
    }

    /// The descriptor that breaks when nobody reads the counts any more.
    pub(crate) fn reader(&self) -> Option<OwnedFd> {
        self.window.try_clone().ok()
    }

    /// Writes a count, unless the window is behind with its reading, or the count is the last.
    pub(crate) fn show(&mut self, sent: u64) -> io::Result<()> {
        if sent > 0 && self.total.is_some_and(|total| sent >= total) {
            return Ok(());
        }
        self.write(sent, &AT_ONCE)
    }

    /// Writes the last count.
    pub(crate) fn finish(&mut self, sent: u64) {
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
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_total_is_held_back_until_the_copy_is_confirmed() {
        let (reader, window) = rustix::pipe::pipe().unwrap();
        let total = Some(100);
        let mut gui = Gui { window, total };
        for sent in [0, 99, 100, 101] {
            gui.show(sent).unwrap();
        }
        gui.finish(100);
        drop(gui);
        let mut lines = String::new();
        File::from(reader).read_to_string(&mut lines).unwrap();
        assert_eq!(lines, "0\n99\n100\n");
    }

    #[test]
    fn a_window_that_does_not_read_is_not_waited_for() {
        let (_reader, window) = rustix::pipe::pipe().unwrap();
        let mut gui = Gui {
            window,
            total: None,
        };
        // More than any pipe holds.
        for sent in 0..200_000 {
            gui.show(sent).unwrap();
        }
    }

    #[test]
    fn a_window_that_is_gone_means_cancel() {
        let (reader, window) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let mut gui = Gui {
            window,
            total: None,
        };
        let error = gui.show(0).unwrap_err().downcast::<Stop>();
        assert_eq!(error.unwrap(), Stop::Cancelled);
    }
}
