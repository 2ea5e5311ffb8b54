//! The wish of the user or the system that a program ends early: SIGINT, SIGTERM, SIGHUP.
//!
//! A program that waits for it beside its work ends by returning, so that everything it holds is
//! cleaned up on the way out.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask a program to end, caught from the moment this exists.
#[derive(Debug)]
pub struct Interrupt {
    int: Signal,
    term: Signal,
    hup: Signal,
}

impl Interrupt {
    /// Catches the signals. There has to be a runtime.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            int: signal(SignalKind::interrupt())?,
            term: signal(SignalKind::terminate())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one of the signals; its number.
    pub async fn caught(&mut self) -> u8 {
        tokio::select! {
            _ = self.int.recv() => 2,
            _ = self.term.recv() => 15,
            _ = self.hup.recv() => 1,
        }
    }
}

/// The exit status of a program that a signal ended, as a shell would say it.
#[must_use]
pub const fn exit_status(signal: u8) -> u8 {
    128_u8.saturating_add(signal)
}
