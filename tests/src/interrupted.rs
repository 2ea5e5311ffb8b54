//! Calls that a signal interrupts.

use std::io;

/// Makes a call again as long as a signal interrupts it. The kernel does not do so for a socket with
/// a limit of time (signal(7)), and any test may get a SIGCHLD of another one.
///
/// # Errors
/// Those of the call.
pub fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
