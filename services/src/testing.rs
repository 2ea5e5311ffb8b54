//! Archives for the unit tests, block by block, right or wrong.

use crate::block::BLOCK_LEN;

/// An archive that is being put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Archive(pub(crate) Vec<u8>);

impl Archive {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A header of ustar: mode 0640, time 1,000,000,000.
    pub(crate) fn header(mut self, letter: u8, name: &[u8], size: &[u8]) -> Self {
        let mut block = [0; BLOCK_LEN];
        block[..name.len()].copy_from_slice(name);
        block[100..107].copy_from_slice(b"0000640");
        block[124..124 + size.len()].copy_from_slice(size);
        block[136..147].copy_from_slice(b"07346545000");
        block[156] = letter;
        block[257..265].copy_from_slice(b"ustar\x0000");
        self.0.extend_from_slice(&block);
        self.with_checksum()
    }

    /// Changes bytes of the last block, and makes its checksum right again.
    pub(crate) fn patch(mut self, at: usize, bytes: &[u8]) -> Self {
        let begin = self.0.len() - BLOCK_LEN + at;
        self.0[begin..begin + bytes.len()].copy_from_slice(bytes);
        self.with_checksum()
    }

    fn with_checksum(mut self) -> Self {
        let begin = self.0.len() - BLOCK_LEN;
        let block = &mut self.0[begin..];
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self
    }

    /// Bytes, padded to whole blocks.
    pub(crate) fn content(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        let len = self.0.len().next_multiple_of(BLOCK_LEN);
        self.0.resize(len, 0);
        self
    }

    /// A member with content.
    pub(crate) fn member(self, letter: u8, name: &str, content: &[u8]) -> Self {
        let size = format!("{:011o}", content.len());
        self.header(letter, name.as_bytes(), size.as_bytes())
            .content(content)
    }

    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.member(b'0', name, content)
    }

    /// Records about the next member.
    pub(crate) fn records(self, records: &[(&str, &str)]) -> Self {
        let records: String = records
            .iter()
            .map(|(key, value)| record(key, value))
            .collect();
        self.member(b'x', "records", records.as_bytes())
    }

    /// Two blocks of zeros.
    pub(crate) fn end(mut self) -> Self {
        self.0.extend_from_slice(&[0; 2 * BLOCK_LEN]);
        self
    }
}

/// A record of POSIX, with its own length.
pub(crate) fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let counts_itself = |len: &usize| *len == rest + len.to_string().len();
    let len = (rest + 1..).find(counts_itself).expect("there is one");
    format!("{len} {key}={value}\n")
}
