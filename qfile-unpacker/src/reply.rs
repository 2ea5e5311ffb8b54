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

/// Sends a verdict that refuses the stream, if the caller takes it. A sender in the middle of a write
/// would not read it, so stdin is closed first.
pub(crate) fn refuse(verdict: &Verdict) {
    // The same socket may be stdout too, so its reading side is shut first, which closing would not
    // do. ENOTSOCK where stdin is a pipe.
    let _ = rustix::net::shutdown(stdio::stdin(), Shutdown::Read);
    let _ = nix::unistd::close(libc::STDIN_FILENO);
    let _ = send(verdict);
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
