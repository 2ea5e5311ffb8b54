//! The entry header: 32 bytes, little-endian, no padding.

/// Bytes of an entry header on the wire.
pub const HEADER_LEN: usize = 32;

/// Longest name in bytes, without its NUL.
pub const MAX_NAME_LEN: usize = 16_382;

/// Longest target of a symbolic link in bytes.
pub const MAX_TARGET_LEN: usize = 16_383;

/// The bits of `st_mode` that hold the file type (inode(7)), and all bits above them, which mean
/// nothing: a value in which one of those is set is no type either.
pub const TYPE_MASK: u32 = !0o7777;

/// The permission bits that cross the wire. Set-uid, set-gid and sticky are never taken from
/// another qube.
pub const PERMISSION_MASK: u32 = 0o777;

/// The three kinds of entries that the format carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file; the content is the file's.
    File,
    /// A directory; announced before its content and again after it, always without content.
    Directory,
    /// A symbolic link; the content is its target.
    Symlink,
}

impl Kind {
    /// The type bits of `st_mode` for this kind.
    #[must_use]
    pub const fn type_bits(self) -> u32 {
        match self {
            Self::File => 0o100_000,
            Self::Directory => 0o040_000,
            Self::Symlink => 0o120_000,
        }
    }

    /// The kind that the type bits of `mode` stand for; `None` for devices, FIFOs, sockets and
    /// values that mean nothing.
    #[must_use]
    pub const fn from_mode(mode: u32) -> Option<Self> {
        match mode & TYPE_MASK {
            0o100_000 => Some(Self::File),
            0o040_000 => Some(Self::Directory),
            0o120_000 => Some(Self::Symlink),
            _ => None,
        }
    }
}

/// A point in time as the wire carries it: 1970 to 2106.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub seconds: u32,
    /// Nanoseconds, 0..=999_999_999.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// The latest time that the wire can carry: a nanosecond before 2^32 seconds.
    pub const MAX: Self = Self {
        seconds: u32::MAX,
        nanoseconds: 999_999_999,
    };

    /// The nearest time that the wire can carry, and whether `seconds` had to be clamped for it.
    /// Nanoseconds outside 0..=999_999_999 (no file system has them) count as 0.
    #[must_use]
    pub fn clamped(seconds: i64, nanoseconds: i64) -> (Self, bool) {
        if seconds < 0 {
            return (Self::default(), true);
        }
        let nanoseconds = u32::try_from(nanoseconds)
            .ok()
            .filter(|ns| *ns < 1_000_000_000)
            .unwrap_or(0);
        match u32::try_from(seconds) {
            Ok(seconds) => (
                Self {
                    seconds,
                    nanoseconds,
                },
                false,
            ),
            Err(_) => (Self::MAX, true),
        }
    }
}

/// What a header says of an entry beside its name, each field within its range.
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

/// An entry header as it stands on the wire. Nothing in it has been judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryHeader {
    /// Bytes of name that follow, the NUL included; 0 ends the stream.
    pub name_len: u32,
    /// `st_mode`: type and permission bits.
    pub mode: u32,
    /// Bytes of content that follow the name.
    pub file_len: u64,
    /// Time of last access.
    pub atime: Timestamp,
    /// Time of last modification.
    pub mtime: Timestamp,
}

impl EntryHeader {
    /// The header that ends a stream: `name_len` is 0, and so is all the rest.
    pub const END: Self = Self {
        name_len: 0,
        mode: 0,
        file_len: 0,
        atime: Timestamp {
            seconds: 0,
            nanoseconds: 0,
        },
        mtime: Timestamp {
            seconds: 0,
            nanoseconds: 0,
        },
    };

    /// The header as it goes over the wire.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0..4].copy_from_slice(&self.name_len.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.mode.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.file_len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.atime.seconds.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.atime.nanoseconds.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.mtime.seconds.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.mtime.nanoseconds.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_or_after_2106_is_clamped_and_said() {
        let at = |seconds, nanoseconds| Timestamp {
            seconds,
            nanoseconds,
        };
        assert_eq!(Timestamp::clamped(0, 0), (at(0, 0), false));
        assert_eq!(Timestamp::clamped(-1, 999_999_999), (at(0, 0), true));
        assert_eq!(
            Timestamp::clamped(i64::from(u32::MAX), 7),
            (at(u32::MAX, 7), false)
        );
        assert_eq!(Timestamp::clamped(1 << 32, 7), (Timestamp::MAX, true));
        assert_eq!(Timestamp::clamped(5, 1_000_000_000), (at(5, 0), false));
        assert_eq!(Timestamp::clamped(5, -1), (at(5, 0), false));
    }

    #[test]
    fn only_files_directories_and_links_have_a_kind() {
        for kind in [Kind::File, Kind::Directory, Kind::Symlink] {
            assert_eq!(Kind::from_mode(kind.type_bits() | 0o7777), Some(kind));
        }
        for other in [
            0, 0o010_000, 0o020_000, 0o060_000, 0o140_000, 0o160_000, 0o170_000,
        ] {
            assert_eq!(Kind::from_mode(other | 0o644), None, "{other:o}");
        }
        for above in (16..32).map(|bit| 1 << bit) {
            assert_eq!(Kind::from_mode(0o100_644 | above), None, "{above:o}");
        }
    }
}
