//! A block of the device whose last four bytes are the CRC-32 of all before them.

use qfile_proto::checksum::Checksum;

/// Bytes of a block: what the header takes, and what the answer takes.
pub const BLOCK_LEN: usize = 4096;

/// Where the CRC-32 of a block is in it.
pub(crate) const CRC_AT: usize = BLOCK_LEN - 4;

/// The bytes of a block.
pub type Block = [u8; BLOCK_LEN];

/// Writes the CRC-32 of a block into it.
pub(crate) fn seal(block: &mut Block) {
    let crc = crc_of(block).to_le_bytes();
    block[CRC_AT..].copy_from_slice(&crc);
}

/// True if the CRC-32 in a block is that of its other bytes.
pub(crate) fn is_sealed(block: &Block) -> bool {
    block[CRC_AT..] == crc_of(block).to_le_bytes()
}

/// `N` bytes of a block from `at` on, both of which the caller has written down as numbers.
pub(crate) fn bytes<const N: usize>(block: &Block, at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&block[at..at + N]);
    bytes
}

fn crc_of(block: &Block) -> u32 {
    let mut checksum = Checksum::default();
    checksum.update(&block[..CRC_AT]);
    checksum.value()
}
