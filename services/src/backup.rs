//! The service qubes.Backup: a line that says where to, then the backup.
//!
//! The end of stdin does not say whether it was the end of the backup: it looks the same when the
//! caller was interrupted. But a backup is a tar archive, or several, one after the other, and each
//! says where it ends. So all of it is followed as it passes, and it counts as whole only if it ends
//! where an archive ends. A caller that is interrupted just between two archives goes unnoticed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::stdio::stdin;

use crate::command::Reader;
use crate::input::Flowing;
use crate::request::{self, Wanted};
use crate::{ArchiveError, Error, Members};

mod stored;

use stored::Stored;

/// Serves one call, on stdin.
///
/// # Errors
/// Why there is no new backup.
pub fn serve() -> Result<(), Error> {
    match request::wanted(&request::line()?, Path::is_dir)? {
        Wanted::Path(folder) => {
            let mut stored = Stored::begin(&folder)?;
            match receive(&mut stored.file) {
                Ok(()) => stored.finish(),
                Err(failure) => Err(stored.abandon(failure)),
            }
        }
        Wanted::Command(words) => {
            let mut reader = Reader::start(words)?;
            match receive(&mut reader.pipe) {
                Ok(()) => reader.finish(),
                Err(failure) => Err(reader.abandon(failure)),
            }
        }
    }
}

/// Takes the backup from stdin into `sink`, to its end, and makes sure that it has one.
fn receive(sink: &mut impl Write) -> Result<(), Error> {
    let input = stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(Error::Request)?;
    follow(Followed {
        input: File::from(input),
        sink,
    })
}

fn follow(followed: Followed<'_, impl Read, impl Write>) -> Result<(), Error> {
    let mut members = Members::new(Flowing::new(followed));
    while let Some(member) = members.next() {
        member.map_err(failure)?;
    }
    Ok(())
}

/// What is read of it has been written.
struct Followed<'s, R, W> {
    input: R,
    sink: &'s mut W,
}

/// What was read cannot be written.
#[derive(Debug)]
struct Unwritten(io::Error);

impl<R: Read, W: Write> Read for Followed<'_, R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.sink
            .write_all(&buffer[..count])
            .map_err(|error| io::Error::other(Unwritten(error)))?;
        Ok(count)
    }
}

fn failure(fault: ArchiveError) -> Error {
    match fault {
        ArchiveError::Read(error) => match error.downcast() {
            Ok(Unwritten(error)) => Error::Write(error),
            Err(error) => Error::NotWhole(ArchiveError::Read(error), None),
        },
        fault => Error::NotWhole(fault, None),
    }
}

impl std::fmt::Display for Unwritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unwritten {}

#[cfg(test)]
mod tests;
