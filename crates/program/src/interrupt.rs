//! The wish of the user or the system that a program ends early: SIGINT, SIGTERM, SIGHUP.
//!
//! A program that waits for it beside its work ends by returning, so that everything it holds is
//! cleaned up on the way out.
//!
//! What the parent has ignored is ignored here too (`execve(2)`), which is right for SIGHUP, because
//! that is how `nohup` works, and for SIGINT: a command that goes on for a moment after Ctrl-C keeps
//! it from the programs that it needs for that. For SIGCHLD it is not.

use std::io;

use procfs::process::Process;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask a program to end, caught from the moment this exists.
#[derive(Debug)]
pub struct Interrupt {
    /// `None` where Ctrl-C is the parent's business.
    int: Option<Signal>,
    term: Signal,
    /// `None` where a terminal that goes away is to end nothing.
    hup: Option<Signal>,
}

impl Interrupt {
    /// Catches the signals, and [keeps children](keep_children). There has to be a runtime.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub fn catch() -> io::Result<Self> {
        keep_children()?;
        Ok(Self {
            int: unless_ignored(SignalKind::interrupt())?,
            term: signal(SignalKind::terminate())?,
            hup: unless_ignored(SignalKind::hangup())?,
        })
    }

    /// Waits for one of the signals; its number.
    pub async fn caught(&mut self) -> u8 {
        tokio::select! {
            () = caught(self.int.as_mut()) => 2,
            _ = self.term.recv() => 15,
            () = caught(self.hup.as_mut()) => 1,
        }
    }
}

/// Makes children that end wait until they are asked how. Where the parent has ignored SIGCHLD the
/// kernel forgets them at once (`wait(2)`), and how they ended is never known: of a call that means
/// that it failed. There has to be a runtime.
///
/// # Errors
/// A handler cannot be installed.
pub fn keep_children() -> io::Result<()> {
    // It stays installed, and what is started gets the default in its place.
    signal(SignalKind::child()).map(drop)
}

async fn caught(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

fn unless_ignored(kind: SignalKind) -> io::Result<Option<Signal>> {
    match is_ignored(kind) {
        true => Ok(None),
        false => signal(kind).map(Some),
    }
}

/// True if the parent has ignored it: the bit of its number, less one.
fn is_ignored(signal: SignalKind) -> bool {
    let status = Process::myself().and_then(|process| process.status());
    status.is_ok_and(|status| status.sigign >> (signal.as_raw_value() - 1) & 1 == 1)
}

/// The exit status of a program that a signal ended, as a shell would say it.
#[must_use]
pub const fn exit_status(signal: u8) -> u8 {
    128_u8.saturating_add(signal)
}
