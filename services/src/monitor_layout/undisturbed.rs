//! A part of the program that no signal ends or stops, except SIGKILL and SIGSTOP.

use std::io;

use nix::sys::signal::{SigSet, SigmaskHow};

/// While this exists, signals wait. Dropped, it lets them have their effect.
#[derive(Debug)]
#[must_use]
pub(crate) struct Undisturbed {
    before: SigSet,
}

impl Undisturbed {
    /// Has the signals wait. This thread has to be the only one.
    ///
    /// # Errors
    /// The system does not let them wait.
    pub(crate) fn begin() -> io::Result<Self> {
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        Ok(Self { before })
    }
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        // It is a mask that was there before.
        let _cannot_fail = self.before.thread_set_mask();
    }
}
