//! Signals that ask the command to end, for what waits for the user where no runtime is at work.
//!
//! A signal interrupts a wait only if it comes while the program waits. So from the beginning of the
//! call a thread catches signals, and lets go of a pipe when one has come: whenever that was, the next
//! wait notices it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use program::interrupt::Interrupt;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::runtime::Builder;

/// The end of a pipe that nobody can write to any more once a signal has come.
#[derive(Debug)]
pub(super) struct Noticed(OwnedFd);

impl Noticed {
    /// Notices signals from now on.
    ///
    /// # Errors
    /// A handler cannot be installed, or a limit of the system is reached.
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (noticed, notice) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut interrupt = {
            let _entered = runtime.enter();
            Interrupt::catch()?
        };
        let wait = move || {
            let _signal = runtime.block_on(interrupt.caught());
            drop(notice);
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(wait)?;
        Ok(Self(noticed))
    }
}

impl AsFd for Noticed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
