//! A file that is there, compared with what arrives (`--on-conflict skip-identical`).

use std::os::fd::OwnedFd;

use qfile_proto::Refusal;
use rustix::fs::{fstat, FileType, Mode, OFlags};
use rustix::io::{pread, Errno};

use super::Spot;

/// How much to read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// The file that is there.
#[derive(Debug)]
pub struct ExistingFile {
    file: OwnedFd,
    at: u64,
    buffer: Vec<u8>,
}

impl ExistingFile {
    /// Opens it if it can be the same.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] if it is no regular file of `len` bytes that can be read.
    pub fn open(spot: &Spot<'_>, len: u64) -> Result<Self, Refusal> {
        // NONBLOCK: whoever put a FIFO there does not make the program wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = spot
            .root
            .open(spot.dir(), spot.path(), flags, Mode::empty())
            .map_err(|_| Refusal::AlreadyExists)?;
        let stat = fstat(&file).map_err(super::refusal)?;
        let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_regular || u64::try_from(stat.st_size) != Ok(len) {
            return Err(Refusal::AlreadyExists);
        }
        Ok(Self {
            file,
            at: 0,
            buffer: vec![0; PIECE],
        })
    }

    /// Compares the next piece of content.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] at the first difference.
    pub fn compare(&mut self, mut content: &[u8]) -> Result<(), Refusal> {
        while !content.is_empty() {
            let wanted = content.len().min(PIECE);
            let count = match pread(&self.file, &mut self.buffer[..wanted], self.at) {
                Err(Errno::INTR) => continue,
                result => result.map_err(super::refusal)?,
            };
            if count == 0 || self.buffer[..count] != content[..count] {
                return Err(Refusal::AlreadyExists);
            }
            self.at += count as u64;
            content = &content[count..];
        }
        Ok(())
    }
}
