//! Blocks → members: what a header and all that goes before it say together, and the content.
//!
//! An archive may be several, one after the other, each with its end: that is how backups of Qubes OS
//! are written. So blocks of zeros, which end an archive, are passed over; without one at the very end
//! the archive was cut.

use std::io;

use qfile_proto::Timestamp;

use crate::ArchiveError;
use crate::block::{self, BLOCK_LEN, Block, Kind, Type};
use crate::extension::{self, Records, Time};
use crate::input::Input;

/// More blocks of zeros than this are no padding: they are 64 MiB, and the longest records of tar that
/// are in use have 2 MiB. They may be the rest of a disk, or without end.
const MAX_ZERO_BLOCKS: usize = 1 << 17;

/// How many extensions one member can have before it: each kind of them, and some more.
const MAX_EXTENSIONS: usize = 8;

/// A member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name as it stands there. Nothing of it has been judged.
    pub untrusted_name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Its mode.
    pub mode: u32,
    /// Bytes of content, 0..=`i64::MAX`.
    pub len: u64,
    /// Time of last modification.
    pub mtime: Timestamp,
    /// Time of last access; that of last modification where none is stored.
    pub atime: Timestamp,
    /// One of its times is not the stored one but the nearest that a stream can carry.
    pub is_clamped: bool,
}

/// The members of an archive, one after the other.
#[derive(Debug)]
pub struct Members<I> {
    input: I,
    /// Position of the next block.
    at: u64,
    /// What the current member has not given out yet, without and with what pads it to blocks.
    left: u64,
    padded_left: u64,
    /// How much of the input's buffer was given out and is not consumed.
    given: usize,
    current: Vec<u8>,
    zero_blocks: usize,
    global: Records,
}

/// What goes before a member.
#[derive(Debug, Default)]
struct Extensions {
    count: usize,
    long_name: Option<Vec<u8>>,
    records: Option<Records>,
}

impl Extensions {
    /// True if a member has to follow. A label or records about all members need none.
    fn are_about_a_member(&self) -> bool {
        self.long_name.is_some() || self.records.is_some()
    }
}

impl<I: Input> Members<I> {
    /// Reads `input` from its first byte on.
    pub fn new(input: I) -> Self {
        Self {
            input,
            at: 0,
            left: 0,
            padded_left: 0,
            given: 0,
            current: Vec::new(),
            zero_blocks: 0,
            global: Records::default(),
        }
    }

    /// The next member. Content of the current one that was not asked for is left out.
    ///
    /// # Errors
    /// What is wrong with the archive.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator of results goes on after one"
    )]
    pub fn next(&mut self) -> Option<Result<Member, ArchiveError>> {
        self.try_next().transpose()
    }

    fn try_next(&mut self) -> Result<Option<Member>, ArchiveError> {
        self.leave_rest()?;
        let mut extensions = Extensions::default();
        let mut bytes = [0; BLOCK_LEN];
        loop {
            let at = self.at;
            if !self.read_block(&mut bytes)? {
                let is_whole = self.zero_blocks > 0 && !extensions.are_about_a_member();
                return if is_whole {
                    Ok(None)
                } else {
                    Err(ArchiveError::Cut(None))
                };
            }
            if bytes == [0; BLOCK_LEN] {
                if extensions.are_about_a_member() {
                    return Err(ArchiveError::Extension(at));
                }
                self.zero_blocks += 1;
                if self.zero_blocks > MAX_ZERO_BLOCKS {
                    return Err(ArchiveError::Zeros(at));
                }
                continue;
            }
            self.zero_blocks = 0;
            let block = Block::parse(&bytes).ok_or_else(|| no_header(at, &bytes))?;
            if let Type::Member(kind) = block.kind() {
                return self.member(kind, block, extensions, at).map(Some);
            }
            extensions.count += 1;
            if extensions.count > MAX_EXTENSIONS {
                return Err(ArchiveError::Extension(at));
            }
            self.extension(block, &mut extensions, at)?;
        }
    }

    /// The next piece of the current member's content; nothing after the last.
    ///
    /// # Errors
    /// [`ArchiveError::Cut`], [`ArchiveError::Read`].
    pub fn content(&mut self) -> Result<Option<&[u8]>, ArchiveError> {
        self.take_given();
        if self.left == 0 {
            return Ok(None);
        }
        let available = loop {
            match self.input.fill_buf() {
                Ok(bytes) => break bytes.len(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::Read(error)),
            }
        };
        if available == 0 {
            return Err(ArchiveError::Cut(Some(self.current.clone())));
        }
        let len = usize::try_from(self.left).map_or(available, |left| left.min(available));
        self.given = len;
        self.left -= len as u64;
        self.padded_left -= len as u64;
        // It is in the buffer already.
        let bytes = self.input.fill_buf().map_err(ArchiveError::Read)?;
        Ok(bytes.get(..len))
    }

    fn member(
        &mut self,
        kind: Kind,
        block: Block<'_>,
        extensions: Extensions,
        at: u64,
    ) -> Result<Member, ArchiveError> {
        let damaged = || ArchiveError::Header(at);
        let map_goes_on = kind == Kind::Sparse && block.map_goes_on();
        let is_named_twice = |records: &Records| records.name.is_some();
        if extensions.long_name.is_some() && extensions.records.as_ref().is_some_and(is_named_twice)
        {
            return Err(ArchiveError::Extension(at));
        }
        let records = extensions.records.unwrap_or_default().or(&self.global);
        let untrusted_name = extensions
            .long_name
            .or(records.name)
            .unwrap_or_else(|| block.name().into_owned());
        let len = match records.len {
            Some(len) => len,
            None => block.content_len().ok_or_else(damaged)?,
        };
        let mtime = match records.mtime {
            Some(time) => time,
            None => (block.mtime().ok_or_else(damaged)?, 0),
        };
        let atime = records.atime.or(block.atime().map(|seconds| (seconds, 0)));
        let (mtime, mtime_clamped) = clamped(mtime);
        let (atime, atime_clamped) = atime.map_or((mtime, false), clamped);
        let mode = block.mode().ok_or_else(damaged)?;
        let kind = match kind {
            // Before 1988 a folder was a file whose name ends in a slash, and many writers keep to
            // that. It is the whole name that counts, not what of it fits a header.
            Kind::File if untrusted_name.ends_with(b"/") => Kind::Empty,
            Kind::File if records.is_sparse => Kind::Sparse,
            kind => kind,
        };
        if len > 0 && matches!(kind, Kind::HardLink | Kind::Symlink | Kind::Empty) {
            return Err(ArchiveError::Content(untrusted_name));
        }
        self.current.clone_from(&untrusted_name);
        if map_goes_on {
            self.leave_map()?;
        }
        self.begin(len);
        Ok(Member {
            untrusted_name,
            kind,
            mode,
            len,
            mtime,
            atime,
            is_clamped: mtime_clamped || atime_clamped,
        })
    }

    fn extension(
        &mut self,
        block: Block<'_>,
        extensions: &mut Extensions,
        at: u64,
    ) -> Result<(), ArchiveError> {
        let fault = || ArchiveError::Extension(at);
        self.begin(block.content_len().ok_or_else(fault)?);
        self.current.clear();
        match block.kind() {
            Type::LongName => {
                let mut name = self.whole_content(at)?;
                let end = name.iter().position(|byte| *byte == 0);
                name.truncate(end.unwrap_or(name.len()));
                let earlier = extensions.long_name.replace(name);
                earlier.map_or(Ok(()), |_| Err(fault()))?;
            }
            Type::Records => {
                let records = Records::parse(&self.whole_content(at)?).ok_or_else(fault)?;
                let earlier = extensions.records.replace(records);
                earlier.map_or(Ok(()), |_| Err(fault()))?;
            }
            Type::GlobalRecords => {
                let records = Records::parse(&self.whole_content(at)?).ok_or_else(fault)?;
                self.global = records.or(&self.global);
            }
            Type::Ignored | Type::Member(_) => {}
        }
        self.leave_rest()
    }

    /// All of an extension's content.
    fn whole_content(&mut self, at: u64) -> Result<Vec<u8>, ArchiveError> {
        if self.left > extension::MAX_LEN {
            return Err(ArchiveError::Extension(at));
        }
        let mut content = Vec::new();
        while let Some(bytes) = self.content()? {
            content.extend_from_slice(bytes);
        }
        Ok(content)
    }

    /// Leaves out the blocks in which the map of a sparse file goes on.
    fn leave_map(&mut self) -> Result<(), ArchiveError> {
        let mut bytes = [0; BLOCK_LEN];
        while self.read_block(&mut bytes)? {
            if !block::map_goes_on_after(&bytes) {
                return Ok(());
            }
        }
        Err(ArchiveError::Cut(Some(self.current.clone())))
    }

    fn begin(&mut self, len: u64) {
        self.left = len;
        // No more than 2^63 + 511.
        self.padded_left = len.next_multiple_of(BLOCK_LEN as u64);
        self.at = self.at.saturating_add(self.padded_left);
    }

    fn leave_rest(&mut self) -> Result<(), ArchiveError> {
        self.take_given();
        self.left = 0;
        let rest = std::mem::take(&mut self.padded_left);
        self.input
            .skip(rest)
            .map_err(|error| ArchiveError::reading(error, Some(&self.current)))
    }

    fn take_given(&mut self) {
        self.input.consume(std::mem::take(&mut self.given));
    }

    /// Reads a block; false where the archive has ended before it.
    fn read_block(&mut self, bytes: &mut [u8; BLOCK_LEN]) -> Result<bool, ArchiveError> {
        let mut filled = 0;
        while filled < BLOCK_LEN {
            match self.input.read(&mut bytes[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                // What is compressed may be shorter than a block.
                Ok(0) => return Err(packed(self.at, bytes).unwrap_or(ArchiveError::Cut(None))),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::Read(error)),
            }
        }
        self.at = self.at.saturating_add(BLOCK_LEN as u64);
        Ok(true)
    }
}

fn clamped((seconds, nanoseconds): Time) -> (Timestamp, bool) {
    Timestamp::clamped(seconds, nanoseconds)
}

/// What is wrong where a header belongs.
fn no_header(at: u64, bytes: &[u8; BLOCK_LEN]) -> ArchiveError {
    let damaged = match at {
        0 => ArchiveError::NotAnArchive(None),
        _ => ArchiveError::Header(at),
    };
    packed(at, bytes).unwrap_or(damaged)
}

/// Names the program that unpacks the archive if its first block says that there is one.
fn packed(at: u64, bytes: &[u8; BLOCK_LEN]) -> Option<ArchiveError> {
    let magics: [(&[u8], _); 6] = [
        (b"\x1f\x8b", "gzip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"LZIP", "lzip"),
    ];
    let known = magics.iter().find(|(magic, _)| bytes.starts_with(magic));
    known
        .filter(|_| at == 0)
        .map(|(_, program)| ArchiveError::NotAnArchive(Some(program)))
}

#[cfg(test)]
mod tests;
