//! Signals as a program should find them that is executed in place of this one.
//!
//! What a program ignores or blocks, the program that it becomes ignores or blocks too (`execve(2)`).
//! Whoever starts a service may have done so, and the start-up code of Rust ignores SIGPIPE, with which
//! `yes | head` would not end.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use nix::sys::signal::SigSet;
use signal_hook::consts::FORBIDDEN;

/// The C library keeps these two for itself and lets nobody change them.
const OF_THE_C_LIBRARY: [i32; 2] = [32, 33];

/// Sees to it that the program that is executed next in this thread has every signal at its default and
/// blocks none.
///
/// A signal that was ignored gets a handler here: there is no safe call that sets the default, but a
/// handler does not survive `execve(2)`, which leaves the default in its place. Left out are SIGILL,
/// SIGFPE and SIGSEGV: they end a program also where they are ignored, unless another process sends
/// them.
///
/// # Errors
/// `/proc` cannot be read, or a handler cannot be installed.
pub fn to_their_defaults() -> io::Result<()> {
    let ignored = ignored()?;
    let can_be_set =
        |signal: &i32| !FORBIDDEN.contains(signal) && !OF_THE_C_LIBRARY.contains(signal);
    for signal in ignored.into_iter().filter(can_be_set) {
        signal_hook::flag::register(signal, Arc::default())?;
    }
    Ok(SigSet::empty().thread_set_mask()?)
}

/// The numbers in `SigIgn` of `proc_pid_status(5)`.
fn ignored() -> io::Result<Vec<i32>> {
    // The kernel says no length, and would write the whole text anew for each small read.
    let mut status = String::with_capacity(1 << 12);
    File::open("/proc/self/status")?.read_to_string(&mut status)?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let mask = mask.ok_or_else(|| io::Error::other("/proc/self/status has no SigIgn"))?;
    Ok((1..=64)
        .filter(|signal| mask >> (signal - 1) & 1 == 1)
        .collect())
}
