//! The two ends of the connection: stdin, and the verdict on stdout.

use std::io::{self, Read, Write};

use qfile_proto::Verdict;
use rustix::net::Shutdown;
use rustix::stdio;

/// The stream, without a buffer or a lock of its own.
#[derive(Debug)]
pub(crate) struct Stdin;

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(stdio::stdin(), buffer)?)
    }
}

/// Closes stdin, so that a sender in the middle of a write is not kept waiting by a full pipe. The
/// same socket may be stdout too, so its reading side is shut first, which closing would not do.
pub(crate) fn stop_reading() {
    // ENOTSOCK where stdin is a pipe.
    let _ = rustix::net::shutdown(stdio::stdin(), Shutdown::Read);
    let _ = nix::unistd::close(libc::STDIN_FILENO);
}

/// Sends the verdict.
pub(crate) fn send(verdict: &Verdict) -> io::Result<()> {
    verdict.write_to(&mut Stdout)
}

/// Stdout without the line buffer of `std`, which would cut a verdict at a newline byte.
struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
