//! The two digests of a stream: CRC-32, which the verdict has too, and SHA-256.

use qfile_proto::checksum::Checksum;
use sha2::{Digest as _, Sha256};

/// The digests of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// CRC-32 as in zlib.
    pub crc32: u32,
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// Takes the digests of a stream piece by piece.
#[derive(Clone, Debug, Default)]
pub struct Digester {
    crc32: Checksum,
    sha256: Sha256,
}

impl Digester {
    /// Goes on with `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.crc32.update(bytes);
        self.sha256.update(bytes);
    }

    /// The digests of all bytes.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest {
            crc32: self.crc32.value(),
            sha256: self.sha256.finalize().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, B.1, and the check value of the CRC catalogue.
    #[test]
    fn digests_of_known_texts() {
        let digest = |pieces: &[&[u8]]| {
            let mut digester = Digester::default();
            pieces.iter().for_each(|piece| digester.update(piece));
            digester.finish()
        };
        let abc = digest(&[b"a", b"", b"bc"]).sha256;
        assert_eq!(abc[..4], [0xBA, 0x78, 0x16, 0xBF]);
        assert_eq!(abc[28..], [0xF2, 0x00, 0x15, 0xAD]);
        assert_eq!(digest(&[b"12345", b"6789"]).crc32, 0xCBF4_3926);
    }
}
