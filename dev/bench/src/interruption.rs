//! Ctrl+C and its like: noticed between two runs, so that what was made is removed.
//!
//! The signals are held back from the start, and nobody ever takes them. The programs of a run
//! get them as usual, so that a run which is under way ends at once.

use std::os::fd::AsFd;

use anyhow::{Result, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Tells whether a signal came that asks to end.
#[derive(Debug)]
pub(crate) struct Interruption(SignalFd);

impl Interruption {
    /// Holds the signals back. Before any thread starts.
    pub(crate) fn hold_back() -> Result<Self> {
        let signals = SigSet::from_iter(SIGNALS);
        signals.thread_block()?;
        Ok(Self(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?))
    }

    /// An error once one of them came, for ever.
    pub(crate) fn check(&self) -> Result<()> {
        let mut waiting = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let came = poll(&mut waiting, PollTimeout::ZERO)?;
        ensure!(came == 0, "interrupted");
        Ok(())
    }
}

/// Undoes [`Interruption::hold_back`], which a process inherits from who has started it.
pub(crate) fn let_through() -> Result<()> {
    Ok(SigSet::from_iter(SIGNALS).thread_unblock()?)
}
