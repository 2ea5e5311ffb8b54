//! A header block: 512 bytes → its fields.
//!
//! The library `tar` takes the fields apart; what it does not check is checked here.

use std::borrow::Cow;
use std::io;

use tar::{EntryType, Header};

/// Bytes of a block. Headers are one, content is padded to whole ones.
pub const BLOCK_LEN: usize = 512;

/// One header block whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a>(&'a Header);

/// What a header stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A member of this kind.
    Member(Kind),
    /// The name of the next member, which did not fit its header.
    LongName,
    /// Records about the next member.
    Records,
    /// Records about all members that follow.
    GlobalRecords,
    /// Nothing that is needed: the name of the volume, the target of a link.
    Ignored,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A file whose holes are left out, in one of the ways of GNU tar.
    Sparse,
    /// The rest of a file that began in another volume.
    Continued,
    /// Another name of an earlier member.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A folder, device or FIFO: nothing of its own has to be restored.
    Empty,
    /// What no standard knows. It may have content.
    Unknown,
}

impl<'a> Block<'a> {
    /// Understands `bytes`; `None` if the checksum is not that of a header.
    #[must_use]
    pub fn parse(bytes: &'a [u8; BLOCK_LEN]) -> Option<Self> {
        let header = Header::from_byte_slice(bytes);
        // The checksum's own field, at 148, counts as blanks.
        let rest = bytes[..148].iter().chain(&bytes[156..]);
        let sum = rest.map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
        let is_header = header.cksum().is_ok_and(|stored| stored == sum);
        is_header.then_some(Self(header))
    }

    /// What it stands for.
    #[must_use]
    pub fn kind(self) -> Type {
        let letter = self.0.as_old().linkflag[0];
        match EntryType::new(letter) {
            EntryType::Regular | EntryType::Continuous => Type::Member(Kind::File),
            EntryType::Link => Type::Member(Kind::HardLink),
            EntryType::Symlink => Type::Member(Kind::Symlink),
            EntryType::Char | EntryType::Block | EntryType::Directory | EntryType::Fifo => {
                Type::Member(Kind::Empty)
            }
            EntryType::GNUSparse => Type::Member(Kind::Sparse),
            EntryType::GNULongName => Type::LongName,
            EntryType::GNULongLink => Type::Ignored,
            EntryType::XHeader => Type::Records,
            EntryType::XGlobalHeader => Type::GlobalRecords,
            _ if letter == b'V' => Type::Ignored,
            _ if letter == b'M' => Type::Member(Kind::Continued),
            _ => Type::Member(Kind::Unknown),
        }
    }

    /// The name, as far as it fits a header.
    #[must_use]
    pub fn name(self) -> Cow<'a, [u8]> {
        self.0.path_bytes()
    }

    /// Bytes of content; `None` for what is no number of 0..=`i64::MAX`.
    #[must_use]
    pub fn content_len(self) -> Option<u64> {
        // In binary the library looks at the last 8 of 12 bytes only.
        let field = &self.0.as_old().size;
        let [first, high @ .., _, _, _, _, _, _, _, _] = *field;
        if first & 0x80 != 0 && (first != 0x80 || high != [0; 3]) {
            return None;
        }
        number(field, Header::entry_size, self.0).filter(|len| i64::try_from(*len).is_ok())
    }

    /// The permission bits, and whatever else there is.
    #[must_use]
    pub fn mode(self) -> Option<u32> {
        number(&self.0.as_old().mode, Header::mode, self.0)
    }

    /// The time of last modification, in seconds.
    #[must_use]
    pub fn mtime(self) -> Option<i64> {
        number(&self.0.as_old().mtime, Header::mtime, self.0).map(signed)
    }

    /// The time of last access, in seconds, where GNU tar was told to store it.
    #[must_use]
    pub fn atime(self) -> Option<i64> {
        let gnu = self.0.as_gnu()?;
        let is_stored = gnu.atime.iter().any(|byte| *byte != 0);
        is_stored.then(|| gnu.atime().ok().map(signed))?
    }

    /// True if the map of a sparse file goes on in blocks of its own.
    #[must_use]
    pub fn map_goes_on(self) -> bool {
        self.0.as_gnu().is_some_and(tar::GnuHeader::is_extended)
    }
}

/// What `read` makes of the field of a header; 0 where the field is empty, as in the headers of
/// volumes that GNU tar writes.
fn number<N: From<u8>>(
    field: &[u8],
    read: impl Fn(&Header) -> io::Result<N>,
    header: &Header,
) -> Option<N> {
    let is_empty = field.iter().all(|byte| *byte == 0);
    match is_empty {
        true => Some(0.into()),
        false => read(header).ok(),
    }
}

/// A time before 1970 is stored in binary, as a negative number, and read as a huge one.
fn signed(time: u64) -> i64 {
    i64::from_be_bytes(time.to_be_bytes())
}

/// True if the map of a sparse file goes on after the block `bytes` of it.
#[must_use]
pub fn map_goes_on_after(bytes: &[u8; BLOCK_LEN]) -> bool {
    // 21 pairs of numbers, then this flag.
    bytes[504] == 1
}
