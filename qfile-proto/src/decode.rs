//! The decoder: untrusted bytes → header fields → entries. All of it.
//!
//! This file is what an auditor reads, and it stays within 100 lines of code (a test counts
//! them). It decides *where* things are in the stream; whether a name may be used is decided in
//! [`crate::name`] and [`crate::link`]. Nothing is ever skipped: a field that is wrong ends the
//! stream, because a decoder that reads on past what it did not understand loses its place in it
//! (CVE-2025-62518).

use std::io::{self, BufRead, Read};

use crate::checksum::ChecksumReader;
use crate::header::{Entry, EntryHeader, HEADER_LEN, Kind, Timestamp};
use crate::header::{MAX_NAME_LEN, MAX_TARGET_LEN, PERMISSION_MASK};
use crate::verdict::Refusal;

/// Takes a qfile stream apart. After an error it must not be asked for more.
#[derive(Debug)]
pub struct Decoder<R> {
    input: ChecksumReader<R>,
}

impl<R: Read> Decoder<R> {
    /// Decodes `input`, reading ahead up to `capacity` bytes.
    pub fn with_capacity(capacity: usize, input: R) -> Self {
        let input = ChecksumReader::with_capacity(capacity, input);
        Self { input }
    }

    /// The next entry, or `None` at the end of the stream. `untrusted_name` becomes its name,
    /// without the NUL; it is empty when a refusal comes before there is one, and keeps the name
    /// before it when the stream is cut between two entries.
    ///
    /// # Errors
    /// See [`Refusal`]. [`Refusal::StreamCut`]: no end header.
    pub fn next_entry(&mut self, untrusted_name: &mut Vec<u8>) -> Result<Option<Entry>, Refusal> {
        let mut bytes = [0; HEADER_LEN];
        match self.input.read_exact(&mut bytes).map_err(Refusal::from) {
            Err(Refusal::EndedEarly) => return Err(Refusal::StreamCut),
            filled => filled?,
        }
        let header = parse(&bytes);
        if header.name_len == 0 {
            return Ok(None);
        }
        // Until there is a name, the caller has none.
        let mut name = std::mem::take(untrusted_name);
        let name_len = usize::try_from(header.name_len).unwrap_or(usize::MAX);
        if name_len > MAX_NAME_LEN + 1 {
            return Err(Refusal::NameTooLong);
        }
        name.resize(name_len, 0);
        self.input.read_exact(&mut name)?;
        let nul = name.iter().position(|byte| *byte == 0);
        let end = nul.unwrap_or(name_len);
        if end > MAX_NAME_LEN {
            return Err(Refusal::NameTooLong);
        }
        let only_nuls_follow = name.drain(end..).all(|byte| byte == 0);
        *untrusted_name = name;
        if !only_nuls_follow {
            return Err(Refusal::ForbiddenName);
        }
        check(&header).map(Some)
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
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            let count = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            sink(&chunk[..count])?;
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
}

fn parse(b: &[u8; HEADER_LEN]) -> EntryHeader {
    let u32_at = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
    let time_at = |at| Timestamp {
        seconds: u32_at(at),
        nanoseconds: u32_at(at + 4),
    };
    EntryHeader {
        name_len: u32_at(0),
        mode: u32_at(4),
        file_len: u64::from(u32_at(8)) | u64::from(u32_at(12)) << 32,
        atime: time_at(16),
        mtime: time_at(24),
    }
}

fn check(header: &EntryHeader) -> Result<Entry, Refusal> {
    let kind = Kind::from_mode(header.mode).ok_or(Refusal::BadField)?;
    match (kind, header.file_len) {
        (Kind::Directory, 1..) => return Err(Refusal::BadField),
        (Kind::Symlink, len) if len > MAX_TARGET_LEN as u64 => return Err(Refusal::NameTooLong),
        (Kind::File, len) if i64::try_from(len).is_err() => return Err(Refusal::LimitReached),
        _ if header.atime.nanoseconds > 999_999_999 => return Err(Refusal::BadField),
        _ if header.mtime.nanoseconds > 999_999_999 => return Err(Refusal::BadField),
        _ => {}
    }
    Ok(Entry {
        kind,
        permissions: header.mode & PERMISSION_MASK,
        len: header.file_len,
        atime: header.atime,
        mtime: header.mtime,
    })
}
