//! qfile streams and verdicts, byte by byte, right or wrong. Written from the format's
//! description; it shares nothing with the encoder and decoder under test.

/// The type bits of a regular file.
pub const FILE: u32 = 0o100_000;
/// The type bits of a folder.
pub const FOLDER: u32 = 0o040_000;
/// The type bits of a symbolic link.
pub const LINK: u32 = 0o120_000;

/// An entry as it is to stand on the wire. Every field can be set to what it should not be.
#[derive(Clone, Debug)]
pub struct RawEntry {
    /// The announced length of the name.
    pub name_len: u32,
    /// Type and permission bits.
    pub mode: u32,
    /// The announced length of the content.
    pub file_len: u64,
    /// Seconds and nanoseconds of the last access.
    pub atime: (u32, u32),
    /// Seconds and nanoseconds of the last modification.
    pub mtime: (u32, u32),
    /// The bytes of the name, its NUL included.
    pub name: Vec<u8>,
    /// The bytes of the content.
    pub content: Vec<u8>,
}

impl RawEntry {
    /// An entry whose announced lengths are right, with a NUL after its name.
    #[must_use]
    pub fn new(mode: u32, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let name = [name.as_ref(), b"\0"].concat();
        Self {
            name_len: u32::try_from(name.len()).expect("a name of less than 4 GiB"),
            mode,
            file_len: content.as_ref().len() as u64,
            atime: (1_600_000_001, 111_111_111),
            mtime: (1_600_000_002, 222_222_222),
            name,
            content: content.as_ref().to_vec(),
        }
    }

    /// The same entry with something changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// A stream in the making.
#[derive(Clone, Debug, Default)]
pub struct Stream(Vec<u8>);

impl Stream {
    /// A stream without a byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The header and name of a file of `len` bytes, without its content.
    #[must_use]
    pub fn promise(name: &str, len: u64) -> Self {
        let entry = RawEntry::new(FILE | 0o644, name, "").with(|entry| entry.file_len = len);
        Self::new().entry(&entry)
    }

    /// Adds an entry as it is.
    #[must_use]
    pub fn entry(mut self, entry: &RawEntry) -> Self {
        let header = [
            &entry.name_len.to_le_bytes()[..],
            &entry.mode.to_le_bytes(),
            &entry.file_len.to_le_bytes(),
            &entry.atime.0.to_le_bytes(),
            &entry.atime.1.to_le_bytes(),
            &entry.mtime.0.to_le_bytes(),
            &entry.mtime.1.to_le_bytes(),
        ];
        for part in header {
            self.0.extend_from_slice(part);
        }
        self.bytes(&entry.name).bytes(&entry.content)
    }

    /// Adds a file of mode 0644.
    #[must_use]
    pub fn file(self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        self.entry(&RawEntry::new(FILE | 0o644, name, content))
    }

    /// Adds a folder's header, of mode 0755: the first opens the folder, the second closes it.
    #[must_use]
    pub fn folder(self, name: impl AsRef<[u8]>) -> Self {
        self.entry(&RawEntry::new(FOLDER | 0o755, name, b""))
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(&RawEntry::new(LINK | 0o777, name, target))
    }

    /// Adds any bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds the end header.
    #[must_use]
    pub fn end(self) -> Self {
        self.bytes(&[0; 32])
    }

    /// The bytes so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The checksum of the bytes so far.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        crc32(&self.0)
    }
}

/// A verdict as it stands on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// 0, an errno, or [`LEGAL_EOF`](crate::code::LEGAL_EOF).
    pub code: u32,
    /// The checksum, zero-extended.
    pub crc32: u64,
    /// The last name, if there is one.
    pub last_name: Option<Vec<u8>>,
}

impl Verdict {
    /// A verdict without a name.
    #[must_use]
    pub fn new(code: u32, checksum: u32) -> Self {
        Self {
            code,
            crc32: u64::from(checksum),
            last_name: None,
        }
    }

    /// The same verdict with a name.
    #[must_use]
    pub fn naming(mut self, name: impl AsRef<[u8]>) -> Self {
        self.last_name = Some(name.as_ref().to_vec());
        self
    }

    /// The bytes of it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&self.code.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.crc32.to_le_bytes());
        if let Some(name) = &self.last_name {
            let len = u32::try_from(name.len()).expect("a name of less than 4 GiB");
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(name);
        }
        bytes
    }

    /// All that a receiver wrote to its stdout: one verdict and not a byte else, or nothing. An
    /// empty name counts as none.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return None;
        }
        assert!(bytes.len() >= 16, "no verdict: {bytes:?}");
        let u32_at = |at: usize| {
            u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes are 4 bytes"))
        };
        assert_eq!(u32_at(4), 0, "the pad is sent as 0");
        let last_name = bytes.get(20..).map(<[u8]>::to_vec);
        match &last_name {
            Some(name) => assert_eq!(usize::try_from(u32_at(16)), Ok(name.len())),
            None => assert_eq!(bytes.len(), 16, "a length of a name without the name"),
        }
        Some(Self {
            code: u32_at(0),
            crc32: u64::from(u32_at(8)) | u64::from(u32_at(12)) << 32,
            last_name: last_name.filter(|name| !name.is_empty()),
        })
    }
}

/// The CRC-32 of zip and gzip, bit by bit.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_zip() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_stream_is_headers_names_and_content() {
        let stream = Stream::new().file("a", "xyz").end();
        let mut expected = b"\x02\0\0\0\xA4\x81\0\0\x03\0\0\0\0\0\0\0".to_vec();
        for field in [1_600_000_001_u32, 111_111_111, 1_600_000_002, 222_222_222] {
            expected.extend_from_slice(&field.to_le_bytes());
        }
        expected.extend_from_slice(b"a\0xyz");
        expected.extend_from_slice(&[0; 32]);
        assert_eq!(stream.as_bytes(), expected);
    }

    #[test]
    fn a_verdict_is_read_as_it_is_written() {
        for verdict in [Verdict::new(0, 7), Verdict::new(17, u32::MAX).naming("a/b")] {
            assert_eq!(Verdict::parse(&verdict.to_bytes()), Some(verdict));
        }
        assert_eq!(Verdict::parse(b""), None);
    }
}
