//! The head of every message.
//!
//! The programs of Qubes OS send a C structure as it lies on the stack, so bytes behind the path and
//! in the padding were whatever stood there before. Here [`Header::to_bytes`] is the only function
//! that makes a header, from 72 zeros.

use crate::path::{MAX_PATH_LEN, Path};
use crate::value::MAX_VALUE_LEN;

/// Length of a header in bytes: type 1, path 64, padding 3, length of the data 4.
pub const HEADER_LEN: usize = 72;

/// Longest message in bytes.
pub const MAX_MESSAGE_LEN: usize = HEADER_LEN + MAX_VALUE_LEN;

const PATH_AT: usize = 1;
const DATA_LEN_AT: usize = 68;

/// The type of a message, by its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Asks for the value of a key.
    Read = 0,
    /// Writes a key.
    Write = 1,
    /// Asks for all keys that begin with a text, with their values.
    Multiread = 2,
    /// Asks for the paths of these.
    List = 3,
    /// Removes a key, or all below a folder.
    Rm = 4,
    /// Asks to be told of changes.
    Watch = 5,
    /// Takes that back.
    Unwatch = 6,
    /// The command was obeyed.
    Ok = 7,
    /// There is no such key or watch.
    Missing = 8,
    /// The command was refused.
    Refused = 9,
    /// The value of a key.
    ReadAnswer = 10,
    /// A key and its value; with an empty path: there are no more.
    MultireadAnswer = 11,
    /// A key; with an empty path: there are no more.
    ListAnswer = 12,
    /// A watched path was written or removed.
    Changed = 13,
}

impl Kind {
    /// The type of that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Read,
            1 => Self::Write,
            2 => Self::Multiread,
            3 => Self::List,
            4 => Self::Rm,
            5 => Self::Watch,
            6 => Self::Unwatch,
            7 => Self::Ok,
            8 => Self::Missing,
            9 => Self::Refused,
            10 => Self::ReadAnswer,
            11 => Self::MultireadAnswer,
            12 => Self::ListAnswer,
            13 => Self::Changed,
            _ => return None,
        })
    }
}

/// A header that was read, or is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the message is.
    pub kind: Kind,
    /// What it is about.
    pub path: Path,
    /// How many bytes of data follow; at most [`MAX_VALUE_LEN`] in one that was read.
    pub data_len: u32,
}

/// A header that is none. Whoever reads it can still skip the data and answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The path, if that is one; else empty.
    pub path: Path,
    /// How many bytes of data are said to follow.
    pub data_len: u32,
}

impl Header {
    /// The bytes on the wire. Everything behind the path and the padding is 0.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let path = self.path.as_bytes();
        bytes[0] = self.kind as u8;
        bytes[PATH_AT..PATH_AT + path.len()].copy_from_slice(path);
        bytes[DATA_LEN_AT..].copy_from_slice(&self.data_len.to_ne_bytes());
        bytes
    }

    /// Reads a header. What stands behind the path's NUL and in the padding is not looked at.
    ///
    /// # Errors
    /// The type is unknown, the path is none, or the data is longer than a value can be.
    pub fn parse(untrusted_bytes: &[u8; HEADER_LEN]) -> Result<Self, Malformed> {
        let [number, fields @ ..] = untrusted_bytes;
        // Byte 64 is the last of the path: what stands there is taken for the NUL, as in C.
        let text = &fields[..MAX_PATH_LEN];
        let end = text.iter().position(|byte| *byte == 0);
        let path = Path::parse(&text[..end.unwrap_or(MAX_PATH_LEN)]);
        let mut data_len = [0; 4];
        data_len.copy_from_slice(&untrusted_bytes[DATA_LEN_AT..]);
        let data_len = u32::from_ne_bytes(data_len);
        let fits = usize::try_from(data_len).is_ok_and(|len| len <= MAX_VALUE_LEN);
        match (Kind::from_number(*number), path) {
            (Some(kind), Ok(path)) if fits => Ok(Self {
                kind,
                path,
                data_len,
            }),
            (_, path) => Err(Malformed {
                path: path.unwrap_or(Path::EMPTY),
                data_len,
            }),
        }
    }
}

/// Appends a whole message to `to`. `data` has at most [`MAX_VALUE_LEN`] bytes.
pub fn append_message(to: &mut Vec<u8>, kind: Kind, path: &Path, data: &[u8]) {
    let header = Header {
        kind,
        path: *path,
        data_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
    };
    to.extend_from_slice(&header.to_bytes());
    to.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_documentation() {
        let mut expected = [0_u8; 72];
        expected[0] = 1;
        expected[1..5].copy_from_slice(b"/a/b");
        expected[68] = 0xff;
        expected[69] = 0x0b;
        let header = Header {
            kind: Kind::Write,
            path: "/a/b".parse().unwrap(),
            data_len: 3071,
        };
        if cfg!(target_endian = "little") {
            assert_eq!(header.to_bytes(), expected);
            assert_eq!(Header::parse(&expected), Ok(header));
        }
    }

    #[test]
    fn a_type_is_its_number() {
        for number in 0..=u8::MAX {
            let kind = Kind::from_number(number);
            assert_eq!(kind.is_some(), number <= 13);
            assert!(kind.is_none_or(|kind| kind as u8 == number));
        }
    }

    #[test]
    fn what_is_too_long_is_malformed_and_says_how_long_it_is() {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = 1;
        bytes[1] = b'/';
        for data_len in [3072, 0xffff_fff0_u32] {
            bytes[68..].copy_from_slice(&data_len.to_ne_bytes());
            let path = "/".parse().unwrap();
            assert_eq!(Header::parse(&bytes), Err(Malformed { path, data_len }));
        }
    }

    #[test]
    fn the_last_byte_of_the_path_counts_as_its_nul() {
        let mut bytes = [b'x'; HEADER_LEN];
        bytes[0] = 0;
        bytes[68..].fill(0);
        assert_eq!(Header::parse(&bytes).unwrap().path.as_str(), "x".repeat(63));
    }

    proptest! {
        #[test]
        fn a_header_survives_the_wire_and_is_zero_behind_its_path(
            number in 0_u8..14, text in "/[A-Za-z0-9_/.:@-]{0,62}", data_len in 0_u32..3072
        ) {
            let header = Header {
                kind: Kind::from_number(number).unwrap(),
                path: text.parse().unwrap(),
                data_len,
            };
            let bytes = header.to_bytes();
            prop_assert!(bytes[1 + text.len()..68].iter().all(|byte| *byte == 0));
            prop_assert_eq!(Header::parse(&bytes), Ok(header));
        }

        #[test]
        fn what_stands_behind_the_path_changes_nothing(noise in any::<[u8; 32]>()) {
            let header = Header {
                kind: Kind::Rm,
                path: "/short".parse().unwrap(),
                data_len: 0,
            };
            let mut bytes = header.to_bytes();
            bytes[20..52].copy_from_slice(&noise);
            bytes[65..68].copy_from_slice(&noise[..3]);
            prop_assert_eq!(Header::parse(&bytes), Ok(header));
        }
    }
}
