//! The encoder: entries → bytes.

use std::io::{self, Write};

use crate::checksum::ChecksumWriter;
use crate::header::{Entry, EntryHeader, MAX_NAME_LEN, PERMISSION_MASK};

/// Puts a qfile stream together. The caller keeps the promise of each header: exactly
/// [`Entry::len`] bytes of content follow it.
#[derive(Debug)]
pub struct Encoder<W> {
    output: ChecksumWriter<W>,
}

impl<W: Write> Encoder<W> {
    /// Encodes into `output`, one write for each header, name and piece of content: give it a
    /// buffered one.
    pub fn new(output: W) -> Self {
        Self {
            output: ChecksumWriter::new(output),
        }
    }

    /// Announces an entry: its header, its name, and one NUL.
    ///
    /// # Errors
    /// `InvalidInput` for a name that is empty, longer than [`MAX_NAME_LEN`] or holds a NUL; else
    /// those of the writer below.
    pub fn header(&mut self, name: &[u8], entry: &Entry) -> io::Result<()> {
        let name_len = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        if name.is_empty() || name.len() > MAX_NAME_LEN || name.contains(&0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the format has no such name",
            ));
        }
        let header = EntryHeader {
            name_len,
            mode: entry.kind.type_bits() | entry.permissions & PERMISSION_MASK,
            file_len: entry.len,
            atime: entry.atime,
            mtime: entry.mtime,
        };
        self.output.write_all(&header.to_bytes())?;
        self.output.write_all(name)?;
        self.output.write_all(&[0])
    }

    /// Sends a piece of the announced content.
    ///
    /// # Errors
    /// Those of the writer below.
    pub fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)
    }

    /// Sends `count` zeros of the announced content, taken from `zeros`, which holds nothing else.
    ///
    /// # Errors
    /// Those of the writer below.
    pub fn zeros(&mut self, count: u64, zeros: &[u8]) -> io::Result<()> {
        self.output.write_zeros(count, zeros)
    }

    /// Ends the stream and flushes it.
    ///
    /// # Errors
    /// Those of the writer below.
    pub fn end(&mut self) -> io::Result<()> {
        self.output.write_all(&EntryHeader::END.to_bytes())?;
        self.output.flush()
    }

    /// The checksum of every byte sent so far.
    pub fn checksum(&self) -> u32 {
        self.output.checksum()
    }

    /// The writer below.
    pub fn get_ref(&self) -> &W {
        self.output.get_ref()
    }

    /// The writer below. What is written to it directly is missing from the checksum.
    pub fn get_mut(&mut self) -> &mut W {
        self.output.get_mut()
    }
}
