//! Writing to files of the kernel.
//!
//! A driver that hangs keeps whoever asks it to let a device go. So another process asks, which is left
//! behind when the time is over.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use program::failure::Failure;
use rustix::io::Errno;

use program::bounded;

/// The word with which `qubes-suspend` has itself write.
pub(super) const WORD: &str = "write";
/// The option with which `qubes-detach-pci-device` does.
pub(super) const OPTION: &str = "--write";

/// Writes `value` to a file that is there, in another process of `qubes-suspend`.
///
/// # Errors
/// As [`write_as`].
pub(super) fn write(file: &Path, value: &str, deadline: Instant) -> io::Result<()> {
    write_as(WORD, file, value, deadline)
}

/// Writes `value` to a file that is there, in another process of this program, which knows by `form`
/// that it has to.
///
/// # Errors
/// What the kernel says; `ETIMEDOUT` if it does not answer in time.
pub(super) fn write_as(form: &str, file: &Path, value: &str, deadline: Instant) -> io::Result<()> {
    // Nothing of the caller's stays open in a process that may never end.
    let mut child = Command::new(env::current_exe()?)
        .arg(form)
        .arg(file)
        .arg(value)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    match bounded::wait(&mut child, deadline)?.code() {
        Some(0) => Ok(()),
        Some(errno) => Err(Errno::from_raw_os_error(errno).into()),
        None => Err(io::Error::other("the process that writes was ended")),
    }
}

/// Writes here. The status is the number of the error.
///
/// # Errors
/// That status alone.
pub(super) fn write_here(file: &Path, value: &str) -> Result<(), Failure> {
    write_now(file, value).map_err(|error| {
        let errno = error
            .raw_os_error()
            .and_then(|errno| u8::try_from(errno).ok());
        Failure::said(errno.unwrap_or(program::failure::FAILED))
    })
}

/// Writes `value` to a file that is there.
///
/// # Errors
/// What the kernel says.
fn write_now(file: &Path, value: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(file)?;
    file.write_all(value.as_bytes())
}
