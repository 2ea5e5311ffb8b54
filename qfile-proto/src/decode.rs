//! The decoder: untrusted bytes → header fields → entries. All of it.
//!
//! This file is what an auditor reads, and it stays within 100 lines of code (`make check` counts
//! them). It decides *where* things are in the stream; whether a name may be used is decided in
//! [`crate::name`] and [`crate::link`]. Nothing is ever skipped: a field that is wrong ends the
//! stream, because a decoder that reads on past what it did not understand loses its place in it
//! (CVE-2025-62518).

use std::io::{self, BufRead, Read};

use crate::checksum::ChecksumReader;
use crate::header::{
    EntryHeader, HEADER_LEN, Kind, MAX_NAME_LEN, MAX_TARGET_LEN, PERMISSION_MASK, Timestamp,
};
use crate::verdict::Refusal;

/// An entry as announced by its header, its fields within their ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, 0..=0o777.
    pub permissions: u32,
    /// Bytes of content, 0..=`i64::MAX`; 0 for a directory, at most [`MAX_TARGET_LEN`] for a link.
    pub len: u64,
    /// Time of last access.
    pub atime: Timestamp,
    /// Time of last modification.
    pub mtime: Timestamp,
}

/// Takes a qfile stream apart. After an error it must not be asked for more.
#[derive(Debug)]
pub struct Decoder<R> {
    input: ChecksumReader<R>,
}

impl<R: Read> Decoder<R> {
    /// Decodes `input`, reading ahead up to `capacity` bytes.
    pub fn with_capacity(capacity: usize, input: R) -> Self {
        Self {
            input: ChecksumReader::with_capacity(capacity, input),
        }
    }

    /// The next entry's header and name, or `None` at the end of the stream. `untrusted_name` is
    /// replaced by the name without its NUL; it is empty when a refusal comes before there is one,
    /// and keeps the name before it when the stream is cut between two entries.
    ///
    /// # Errors
    /// See [`Refusal`]. [`Refusal::StreamCut`]: no end header.
    pub fn next_entry(&mut self, untrusted_name: &mut Vec<u8>) -> Result<Option<Entry>, Refusal> {
        let mut header = [0; HEADER_LEN];
        self.fill(&mut header, Refusal::StreamCut)?;
        let header = parse_header(&header);
        if header.name_len == 0 {
            return Ok(None);
        }
        untrusted_name.clear();
        let name_len = usize::try_from(header.name_len).map_err(|_| Refusal::NameTooLong)?;
        if name_len > MAX_NAME_LEN + 1 {
            return Err(Refusal::NameTooLong);
        }
        untrusted_name.resize(name_len, 0);
        self.fill(untrusted_name, Refusal::EndedEarly)
            .inspect_err(|_| untrusted_name.clear())?;
        let end = untrusted_name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(name_len);
        if end > MAX_NAME_LEN {
            untrusted_name.clear();
            return Err(Refusal::NameTooLong);
        }
        let clean = untrusted_name[end..].iter().all(|byte| *byte == 0);
        untrusted_name.truncate(end);
        if !clean {
            return Err(Refusal::ForbiddenName);
        }
        check_fields(&header).map(Some)
    }

    /// Hands the `entry`'s content to `sink`, piece by piece as it arrives.
    ///
    /// # Errors
    /// [`Refusal::EndedEarly`] when the stream ends before `entry.len` bytes, and whatever `sink`
    /// refuses with.
    pub fn content<F>(&mut self, entry: &Entry, mut sink: F) -> Result<(), Refusal>
    where
        F: FnMut(&[u8]) -> Result<(), Refusal>,
    {
        let mut left = entry.len;
        while left > 0 {
            let chunk = match self.input.fill_buf() {
                Ok([]) => return Err(Refusal::EndedEarly),
                Ok(chunk) => {
                    &chunk[..usize::try_from(left).map_or(chunk.len(), |n| n.min(chunk.len()))]
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Refusal::from(error)),
            };
            sink(chunk)?;
            let count = chunk.len();
            self.input.consume(count);
            left -= count as u64;
        }
        Ok(())
    }

    /// How many bytes can be had without waiting for the sender.
    pub fn buffered(&self) -> usize {
        self.input.buffer().len()
    }

    /// The checksum of every byte used so far.
    pub fn checksum(&self) -> u32 {
        self.input.checksum()
    }

    fn fill(&mut self, bytes: &mut [u8], at_end: Refusal) -> Result<(), Refusal> {
        self.input
            .read_exact(bytes)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => at_end,
                _ => Refusal::from(error),
            })
    }
}

fn parse_header(b: &[u8; HEADER_LEN]) -> EntryHeader {
    let u32_at = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
    EntryHeader {
        name_len: u32_at(0),
        mode: u32_at(4),
        file_len: u64::from(u32_at(8)) | u64::from(u32_at(12)) << 32,
        atime: Timestamp {
            seconds: u32_at(16),
            nanoseconds: u32_at(20),
        },
        mtime: Timestamp {
            seconds: u32_at(24),
            nanoseconds: u32_at(28),
        },
    }
}

fn check_fields(header: &EntryHeader) -> Result<Entry, Refusal> {
    let EntryHeader {
        mode,
        file_len: len,
        atime,
        mtime,
        ..
    } = *header;
    let kind = Kind::from_mode(mode).ok_or(Refusal::BadField)?;
    if [atime, mtime]
        .iter()
        .any(|time| time.nanoseconds > 999_999_999)
    {
        return Err(Refusal::BadField);
    }
    match kind {
        Kind::Directory if len != 0 => return Err(Refusal::BadField),
        Kind::Symlink if len > MAX_TARGET_LEN as u64 => return Err(Refusal::NameTooLong),
        Kind::File if i64::try_from(len).is_err() => return Err(Refusal::LimitReached),
        _ => {}
    }
    Ok(Entry {
        kind,
        permissions: mode & PERMISSION_MASK,
        len,
        atime,
        mtime,
    })
}
