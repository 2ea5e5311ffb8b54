//! A file that is there, compared with what arrives (`--on-conflict skip-identical`).
//!
//! All of it is compared before anything is answered: the place of the first difference would tell
//! the sender the content, byte for byte.

use std::os::fd::OwnedFd;

use qfile_proto::Refusal;
use rustix::fs::{fstat, FileType, Mode, OFlags};
use rustix::io::{pread, Errno};

use super::destination::Destination;
use super::errno::refusal;

/// How much to read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// The file that is there.
#[derive(Debug)]
pub(crate) struct ExistingFile {
    file: OwnedFd,
    at: u64,
    differs: bool,
    buffer: Vec<u8>,
}

impl ExistingFile {
    /// Opens it if it can be the same.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] if it is no regular file of `len` bytes that can be read.
    pub(crate) fn open(destination: &Destination<'_>, len: u64) -> Result<Self, Refusal> {
        // As `files::open_regular`, but below the root only, and without statx(2), which the jail does
        // not let through. NONBLOCK: opening a FIFO would wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = destination
            .root()
            .open(destination.dir(), destination.path(), flags, Mode::empty())
            .map_err(|_| Refusal::AlreadyExists)?;
        let stat = fstat(&file).map_err(refusal)?;
        let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_regular || u64::try_from(stat.st_size) != Ok(len) {
            return Err(Refusal::AlreadyExists);
        }
        Ok(Self {
            file,
            at: 0,
            differs: false,
            buffer: vec![0; PIECE],
        })
    }

    /// Compares the next piece of content.
    pub(crate) fn compare(&mut self, mut content: &[u8]) -> Result<(), Refusal> {
        while !content.is_empty() {
            let wanted = content.len().min(PIECE);
            let count = match pread(&self.file, &mut self.buffer[..wanted], self.at) {
                Err(Errno::INTR) => continue,
                result => result.map_err(refusal)?,
            };
            if count == 0 {
                self.differs = true;
                return Ok(());
            }
            self.differs |= self.buffer[..count] != content[..count];
            self.at += count as u64;
            content = &content[count..];
        }
        Ok(())
    }

    /// Accepts the file, when all content has been compared.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] if there was a difference.
    pub(crate) fn accept(&self) -> Result<(), Refusal> {
        match self.differs {
            true => Err(Refusal::AlreadyExists),
            false => Ok(()),
        }
    }
}
