//! Golden bytes: a stream with everything in it, written out.

use qfile_proto::{Entry, Kind, Timestamp};

pub(crate) const ATIME: Timestamp = Timestamp {
    seconds: 0x5E00_0001,
    nanoseconds: 999_999_999,
};
pub(crate) const MTIME: Timestamp = Timestamp {
    seconds: u32::MAX,
    nanoseconds: 1,
};

/// [`ATIME`] and [`MTIME`] as they stand in a header.
pub(crate) const TIMES: &[u8; 16] =
    b"\x01\x00\x00\x5E\xFF\xC9\x9A\x3B\xFF\xFF\xFF\xFF\x01\x00\x00\x00";

/// An entry: kind, permissions, name, content, and all its bytes but for the times.
pub(crate) struct Golden {
    pub(crate) kind: Kind,
    pub(crate) permissions: u32,
    pub(crate) name: &'static [u8],
    pub(crate) content: &'static [u8],
    first_half: &'static [u8; 16],
}

pub(crate) const STREAM: [Golden; 5] = [
    Golden {
        kind: Kind::Directory,
        permissions: 0o755,
        name: b"d",
        content: b"",
        first_half: b"\x02\0\0\0\xED\x41\0\0\0\0\0\0\0\0\0\0",
    },
    Golden {
        kind: Kind::File,
        permissions: 0o640,
        name: b"d/f",
        content: b"content",
        first_half: b"\x04\0\0\0\xA0\x81\0\0\x07\0\0\0\0\0\0\0",
    },
    Golden {
        kind: Kind::File,
        permissions: 0,
        name: "d/ä".as_bytes(),
        content: b"",
        first_half: b"\x05\0\0\0\x00\x80\0\0\0\0\0\0\0\0\0\0",
    },
    Golden {
        kind: Kind::Symlink,
        permissions: 0o777,
        name: b"d/l",
        content: b"f",
        first_half: b"\x04\0\0\0\xFF\xA1\0\0\x01\0\0\0\0\0\0\0",
    },
    Golden {
        kind: Kind::Directory,
        permissions: 0o755,
        name: b"d",
        content: b"",
        first_half: b"\x02\0\0\0\xED\x41\0\0\0\0\0\0\0\0\0\0",
    },
];

impl Golden {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.first_half[..], TIMES, self.name, b"\0", self.content].concat()
    }

    pub(crate) fn entry(&self) -> Entry {
        Entry {
            kind: self.kind,
            permissions: self.permissions,
            len: self.content.len() as u64,
            atime: ATIME,
            mtime: MTIME,
        }
    }
}

pub(crate) fn golden_bytes() -> Vec<u8> {
    let entries: Vec<Vec<u8>> = STREAM.iter().map(Golden::bytes).collect();
    [entries.concat(), vec![0; 32]].concat()
}
