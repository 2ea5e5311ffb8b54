//! The first block of the device: which transfer is on it, and whether it is complete.

use std::fmt;

use crate::STREAM_AT;
use crate::block::{BLOCK_LEN, Block, CRC_AT, bytes, is_sealed, seal};
use crate::digest::Digest;

/// What a header of ours begins with.
pub(crate) const MAGIC: [u8; 16] = *b"qfile-pendrive\0\x01";

/// Longest name of a source in bytes.
pub const MAX_SOURCE_LEN: usize = 64;

const LEN_AT: usize = 16;
const CRC32_AT: usize = 24;
const FIRST_ZEROS: std::ops::Range<usize> = 28..32;
const SHA256_AT: usize = 32;
const NUMBER_AT: usize = 64;
const SOURCE_AT: usize = 80;
const LAST_ZEROS: std::ops::Range<usize> = 144..CRC_AT;

/// The random number of one transfer. It joins the receiver's answer to what was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(pub [u8; 16]);

/// In hexadecimal digits.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The name of a source that may be written: 1 to [`MAX_SOURCE_LEN`] bytes of `A-Z a-z 0-9 _ . -`.
/// It is for people, and never becomes a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(String);

impl Source {
    /// Checks a name; `None` if it may not be written.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let is_allowed =
            !name.is_empty() && name.len() <= MAX_SOURCE_LEN && name.bytes().all(is_source_byte);
        is_allowed.then(|| Self(name.to_owned()))
    }

    /// The nearest name to that of a host, which may have any bytes: others become `_`.
    #[must_use]
    pub fn of_host(host: &[u8]) -> Self {
        let kept = host.iter().take(MAX_SOURCE_LEN);
        let name: String = kept
            .map(|byte| match is_source_byte(*byte) {
                true => char::from(*byte),
                false => '_',
            })
            .collect();
        Self::parse(&name).unwrap_or_else(|| Self("unknown".to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_source_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}

/// A stream that is complete on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its length in bytes: at least 1, and no more than the device has.
    pub len: u64,
    /// Its digests, as the header has them.
    pub digest: Digest,
}

/// A header whose CRC-32 is right. It may still have been written by anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The number of the transfer.
    pub number: Number,
    /// The name of the source, without the NULs behind it. It may be anything.
    pub untrusted_source: Vec<u8>,
    /// The stream; `None` while the transfer is not complete.
    pub stream: Option<Stream>,
}

/// What the first block of a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No header of ours.
    Nothing,
    /// A header of ours whose CRC-32, length or zeros are wrong.
    Damaged,
    /// A header of ours.
    Transfer(Header),
}

impl Header {
    /// The header of a transfer.
    #[must_use]
    pub fn new(number: Number, source: &Source, stream: Option<Stream>) -> Self {
        Self {
            number,
            untrusted_source: source.as_str().as_bytes().to_vec(),
            stream,
        }
    }

    /// The header as it stands on the device.
    #[must_use]
    pub fn to_block(&self) -> Block {
        let mut block = [0; BLOCK_LEN];
        block[..MAGIC.len()].copy_from_slice(&MAGIC);
        if let Some(stream) = &self.stream {
            block[LEN_AT..CRC32_AT].copy_from_slice(&stream.len.to_le_bytes());
            let crc32 = stream.digest.crc32.to_le_bytes();
            block[CRC32_AT..FIRST_ZEROS.start].copy_from_slice(&crc32);
            block[SHA256_AT..NUMBER_AT].copy_from_slice(&stream.digest.sha256);
        }
        block[NUMBER_AT..SOURCE_AT].copy_from_slice(&self.number.0);
        let source_len = self.untrusted_source.len().min(MAX_SOURCE_LEN);
        let source = &self.untrusted_source[..source_len];
        block[SOURCE_AT..SOURCE_AT + source_len].copy_from_slice(source);
        seal(&mut block);
        block
    }
}

impl Found {
    /// Takes apart the first block of a device that has `capacity` bytes.
    #[must_use]
    pub fn read(untrusted_block: &Block, capacity: u64) -> Self {
        let block = untrusted_block;
        if block[..MAGIC.len()] != MAGIC {
            return Self::Nothing;
        }
        let are_zeros = |range| block.get(range).is_some_and(is_zero);
        if !is_sealed(block) || !are_zeros(FIRST_ZEROS) || !are_zeros(LAST_ZEROS) {
            return Self::Damaged;
        }
        let len = u64::from_le_bytes(bytes(block, LEN_AT));
        if len > capacity.saturating_sub(STREAM_AT) {
            return Self::Damaged;
        }
        let digest = Digest {
            crc32: u32::from_le_bytes(bytes(block, CRC32_AT)),
            sha256: bytes(block, SHA256_AT),
        };
        let source = &block[SOURCE_AT..LAST_ZEROS.start];
        let source_len = source.iter().rposition(|byte| *byte != 0);
        Self::Transfer(Header {
            number: Number(bytes(block, NUMBER_AT)),
            untrusted_source: source[..source_len.map_or(0, |last| last + 1)].to_vec(),
            stream: (len > 0).then_some(Stream { len, digest }),
        })
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Header {
        let stream = Stream {
            len: 0x0102,
            digest: Digest {
                crc32: 0xCBF4_3926,
                sha256: std::array::from_fn(|at| u8::try_from(at).unwrap() + 1),
            },
        };
        let source = Source::parse("laptop-1.home").unwrap();
        Header::new(Number([0xAB; 16]), &source, Some(stream))
    }

    #[test]
    fn header_format() {
        let mut golden = [0; BLOCK_LEN];
        golden[..16].copy_from_slice(b"qfile-pendrive\0\x01");
        golden[16..18].copy_from_slice(&[2, 1]);
        golden[24..28].copy_from_slice(&[0x26, 0x39, 0xF4, 0xCB]);
        let sha256: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap() + 1);
        golden[32..64].copy_from_slice(&sha256);
        golden[64..80].fill(0xAB);
        golden[80..93].copy_from_slice(b"laptop-1.home");
        golden[4092..].copy_from_slice(&GOLDEN_CRC.to_le_bytes());
        assert!(complete().to_block() == golden);
        assert_eq!(Found::read(&golden, 1 << 20), Found::Transfer(complete()));
    }

    /// Of Python's zlib.
    const GOLDEN_CRC: u32 = 0x2579_D58B;

    #[test]
    fn a_transfer_that_is_not_complete_has_no_stream() {
        let header = Header {
            stream: None,
            ..complete()
        };
        assert_eq!(Found::read(&header.to_block(), 0), Found::Transfer(header));
    }

    #[test]
    fn no_byte_can_be_flipped() {
        let block = complete().to_block();
        for at in 0..BLOCK_LEN {
            for bit in 0..8 {
                let mut flipped = block;
                flipped[at] ^= 1 << bit;
                let expected = match at {
                    0..16 => Found::Nothing,
                    _ => Found::Damaged,
                };
                assert_eq!(
                    Found::read(&flipped, 1 << 20),
                    expected,
                    "bit {bit} of {at}"
                );
            }
        }
    }

    /// Somebody who can write the device can make every CRC-32 right.
    #[test]
    fn every_byte_that_has_to_be_zero_is_looked_at() {
        for at in (28..32).chain(144..4092) {
            let mut block = complete().to_block();
            block[at] = 1;
            seal(&mut block);
            assert_eq!(Found::read(&block, 1 << 20), Found::Damaged, "{at}");
        }
    }

    #[test]
    fn a_length_is_within_the_device() {
        let with_len = |len| {
            let mut block = complete().to_block();
            block[16..24].copy_from_slice(&u64::to_le_bytes(len));
            seal(&mut block);
            block
        };
        let is_found =
            |len, capacity| matches!(Found::read(&with_len(len), capacity), Found::Transfer(_));
        assert!(is_found(0x0102, 8192 + 0x0102));
        assert!(!is_found(0x0102, 8192 + 0x0101));
        assert!(!is_found(1, 0) && !is_found(1, 8192) && is_found(1, 8193));
        for len in [1 << 63, u64::MAX, u64::MAX - 8191, u64::MAX - 8192] {
            assert!(!is_found(len, 1 << 20), "{len}");
        }
        assert!(is_found(u64::MAX - 8192, u64::MAX));
    }

    #[test]
    fn the_name_of_a_source_is_short_and_plain() {
        let long = "a".repeat(64);
        for name in ["a", "-", "Laptop_1.home-x", &long] {
            assert_eq!(Source::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "a b", "ä", "a/b", "a\0", "\x1b[31m", &"a".repeat(65)] {
            assert_eq!(Source::parse(name), None, "{name:?}");
        }
        for (host, name) in [
            (&b"laptop"[..], "laptop"),
            (b"a b\xFF", "a_b_"),
            (b"", "unknown"),
        ] {
            assert_eq!(Source::of_host(host).as_str(), name);
        }
        assert_eq!(Source::of_host(&[b'x'; 300]).as_str().len(), 64);
    }

    #[test]
    fn the_name_of_a_source_on_a_device_may_be_anything() {
        let header = Header {
            untrusted_source: b"\x1b[31m\0\xFF".repeat(10)[..64].to_vec(),
            ..complete()
        };
        let found = Found::read(&header.to_block(), 1 << 20);
        assert_eq!(found, Found::Transfer(header));
    }
}
