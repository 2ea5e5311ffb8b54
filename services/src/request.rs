//! The lines that a service is given before everything else.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::stdio::stdin;

use crate::Error;
use crate::command::Words;

/// Longest line in bytes.
const MAX_LEN: usize = 65_536;

/// What a line asks for.
#[derive(Debug)]
pub enum Wanted {
    /// What is at this path.
    Path(PathBuf),
    /// This command.
    Command(Words),
}

/// Reads a line from stdin and not a byte more: what follows is for others. The end of stdin ends a
/// line too.
///
/// # Errors
/// [`Error::Request`].
pub fn line() -> Result<Vec<u8>, Error> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match rustix::io::read(stdin(), &mut byte) {
            Ok(0) => return Ok(line),
            Ok(_) if byte == *b"\n" => return Ok(line),
            Ok(_) if line.len() == MAX_LEN => {
                return Err(Error::Request(io::ErrorKind::InvalidData.into()));
            }
            Ok(_) => line.push(byte[0]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::Request(errno.into())),
        }
    }
}

/// What `line` asks for: a path, which may contain blanks, if `is_place` accepts it; otherwise a
/// command.
///
/// # Errors
/// [`Error::NothingAsked`], [`Error::Quotes`].
pub fn wanted(line: &[u8], is_place: impl Fn(&Path) -> bool) -> Result<Wanted, Error> {
    let line = line.trim_ascii();
    let path = Path::new(OsStr::from_bytes(line));
    if is_place(path) {
        return Ok(Wanted::Path(path.to_owned()));
    }
    Words::split(line).map(Wanted::Command)
}
