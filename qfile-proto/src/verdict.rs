//! The verdict, which is the receiver's answer: struct → bytes → struct, and the code of every refusal.

use std::fmt;
use std::io::{self, Write};

/// Bytes of a verdict up to the optional name.
pub const VERDICT_LEN: usize = 16;

/// Bytes of the name that a sender is willing to read, whatever length was announced.
pub const MAX_LAST_NAME_LEN: usize = 16_384;

/// The code that says "the sender stopped, and will have said why". No errno has this value.
pub const LEGAL_EOF: u32 = 31_415_926;

/// Linux numbers no error above this (`MAX_ERRNO` in the kernel).
const MAX_ERRNO: u32 = 4095;

/// Why a receiver stops, each with the code that the verdict carries for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The stream ended between two entries or inside a header: `EREMOTEIO`.
    StreamCut,
    /// The stream ended inside a name or content: [`LEGAL_EOF`].
    EndedEarly,
    /// A name or link target is longer than the format allows: `ENAMETOOLONG`.
    NameTooLong,
    /// A type, length or time that the format does not have: `EINVAL`.
    BadField,
    /// A name that [`crate::SafeName`] does not accept: `EILSEQ`.
    ForbiddenName,
    /// Characters in a link target that are not allowed: `EILSEQ`.
    ForbiddenTarget,
    /// A link that could lead out of its top-level folder: `ENOLINK`.
    UnsafeLink,
    /// A limit on bytes or files is reached: `EDQUOT`.
    LimitReached,
    /// A file or link of that name is there: `EEXIST`.
    AlreadyExists,
    /// The incoming folder has been deleted during the copy: `ENOENT`.
    IncomingFolderGone,
    /// What arrived cannot be used by its owner, because its mode could not be set: the errno of that.
    Unusable(i32),
    /// The system refused: its errno, never 0.
    System(i32),
}

impl Refusal {
    /// The code for the verdict: an errno or [`LEGAL_EOF`], never 0.
    #[must_use]
    pub fn code(self) -> u32 {
        let errno = match self {
            Self::StreamCut => libc::EREMOTEIO,
            Self::EndedEarly => return LEGAL_EOF,
            Self::NameTooLong => libc::ENAMETOOLONG,
            Self::BadField => libc::EINVAL,
            Self::ForbiddenName | Self::ForbiddenTarget => libc::EILSEQ,
            Self::UnsafeLink => libc::ENOLINK,
            Self::LimitReached => libc::EDQUOT,
            Self::AlreadyExists => libc::EEXIST,
            Self::IncomingFolderGone => libc::ENOENT,
            Self::Unusable(errno) | Self::System(errno) => errno,
        };
        u32::try_from(errno)
            .ok()
            .filter(|code| *code != 0)
            .unwrap_or(libc::EIO.unsigned_abs())
    }

    /// The receiver's exit status: the code cut to 8 bits, and never 0.
    #[must_use]
    pub fn exit_status(self) -> u8 {
        match self.code().to_le_bytes()[0] {
            0 => 1,
            status => status,
        }
    }
}

/// An error of reading or writing; the end of the stream where more of it must follow
/// (`UnexpectedEof`) is [`Refusal::EndedEarly`].
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::EndedEarly,
            _ => Self::System(error.raw_os_error().unwrap_or(libc::EIO)),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StreamCut => "the stream ended without its end mark",
            Self::EndedEarly => "the stream ended inside an entry",
            Self::NameTooLong => "a name or link target is too long",
            Self::BadField => "a field has a value that the format does not know",
            Self::ForbiddenName => "a name is not allowed",
            Self::ForbiddenTarget => "a link target has characters that are not allowed",
            Self::UnsafeLink => "a link could lead out of its folder",
            Self::LimitReached => "a limit on bytes or files is reached",
            Self::AlreadyExists => "a file of that name is already there",
            Self::IncomingFolderGone => "the incoming folder has been deleted during the copy",
            Self::Unusable(errno) => {
                let reason = io::Error::from_raw_os_error(*errno);
                return write!(f, "its owner could not use it: {reason}");
            }
            Self::System(errno) => return io::Error::from_raw_os_error(*errno).fmt(f),
        })
    }
}

impl std::error::Error for Refusal {}

/// A receiver's answer to a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// 0, an errno, or [`LEGAL_EOF`]; what a hostile receiver sends can be anything.
    pub error_code: u32,
    /// The receiver's checksum, zero-extended.
    pub crc32: u64,
    /// The last name that the receiver processed, without a NUL; `None` if it named none.
    pub untrusted_last_name: Option<Vec<u8>>,
}

impl Verdict {
    /// Sends the verdict in one write.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn write_to(&self, output: &mut impl Write) -> io::Result<()> {
        output.write_all(&self.to_bytes())
    }

    /// The verdict as it goes over the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(VERDICT_LEN + 4 + MAX_LAST_NAME_LEN);
        bytes.extend_from_slice(&self.error_code.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.crc32.to_le_bytes());
        if let Some(name) = &self.untrusted_last_name {
            let name = &name[..name.len().min(MAX_LAST_NAME_LEN)];
            bytes.extend_from_slice(&u32::try_from(name.len()).unwrap_or(0).to_le_bytes());
            bytes.extend_from_slice(name);
        }
        bytes
    }

    /// The errno behind the code, if it is one. A negative errno counts too: the C receiver sends
    /// −84 for a forbidden directory name.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        let code = self.error_code;
        [code, code.wrapping_neg()]
            .into_iter()
            .find(|errno| (1..=MAX_ERRNO).contains(errno))
            .and_then(|errno| i32::try_from(errno).ok())
    }
}

/// Takes a verdict in as its bytes arrive, whole or one by one, and never more than it needs.
#[derive(Debug, Default)]
pub struct VerdictParser {
    bytes: Vec<u8>,
}

impl VerdictParser {
    /// How many bytes to read next; 0 when the verdict is whole.
    #[must_use]
    pub fn wanted(&self) -> usize {
        let have = self.bytes.len();
        match self.announced_name_len() {
            Some(name_len) => VERDICT_LEN + 4 + name_len - have,
            None => VERDICT_LEN + 4 - have,
        }
    }

    /// Takes the next bytes, at most as many as were [wanted](Self::wanted); more are ignored.
    pub fn push(&mut self, untrusted: &[u8]) {
        let mut rest = untrusted;
        while !rest.is_empty() && self.wanted() > 0 {
            let (now, later) = rest.split_at(rest.len().min(self.wanted()));
            self.bytes.extend_from_slice(now);
            rest = later;
        }
    }

    /// True once the code and the checksum are there; a name may still follow.
    #[must_use]
    pub fn has_code(&self) -> bool {
        self.bytes.len() >= VERDICT_LEN
    }

    /// True as long as not one byte has come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What has come, when it is no verdict but text, as a shell start-up file prints it into a
    /// service's stdout: no code has four printable bytes.
    #[must_use]
    pub fn untrusted_text(&self) -> Option<&[u8]> {
        let end = self
            .bytes
            .iter()
            .position(|byte| !matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
        let text = &self.bytes[..end.unwrap_or(self.bytes.len())];
        (text.len() >= 4).then_some(text)
    }

    /// The verdict, once no more is expected of it. `None` when it is shorter than 16 bytes; a
    /// name that is not whole counts as none.
    #[must_use]
    pub fn finish(self) -> Option<Verdict> {
        let code = self.bytes.get(0..4)?.try_into().ok()?;
        let crc32 = self.bytes.get(8..VERDICT_LEN)?.try_into().ok()?;
        let untrusted_last_name = self
            .announced_name_len()
            .and_then(|len| self.bytes.get(VERDICT_LEN + 4..VERDICT_LEN + 4 + len))
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec);
        Some(Verdict {
            error_code: u32::from_le_bytes(code),
            crc32: u64::from_le_bytes(crc32),
            untrusted_last_name,
        })
    }

    fn announced_name_len(&self) -> Option<usize> {
        let len = self
            .bytes
            .get(VERDICT_LEN..VERDICT_LEN + 4)?
            .try_into()
            .ok()?;
        Some(
            usize::try_from(u32::from_le_bytes(len))
                .map_or(MAX_LAST_NAME_LEN, |len| len.min(MAX_LAST_NAME_LEN)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Option<Verdict> {
        let mut parser = VerdictParser::default();
        parser.push(bytes);
        parser.finish()
    }

    #[test]
    fn verdict_wireformat() {
        let golden: [(Verdict, &[u8]); 3] = [
            (
                Verdict {
                    error_code: 0,
                    crc32: 0xCBF4_3926,
                    untrusted_last_name: None,
                },
                b"\0\0\0\0\0\0\0\0\x26\x39\xF4\xCB\0\0\0\0",
            ),
            (
                Verdict {
                    error_code: 17,
                    crc32: 1,
                    untrusted_last_name: Some(b"a/b".to_vec()),
                },
                b"\x11\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x03\0\0\0a/b",
            ),
            (
                Verdict {
                    error_code: LEGAL_EOF,
                    crc32: 0,
                    untrusted_last_name: None,
                },
                b"\x76\x5E\xDF\x01\0\0\0\0\0\0\0\0\0\0\0\0",
            ),
        ];
        for (verdict, bytes) in golden {
            assert_eq!(verdict.to_bytes(), bytes);
            let mut written = Vec::new();
            verdict.write_to(&mut written).unwrap();
            assert_eq!(written, bytes);
            assert_eq!(parsed(bytes), Some(verdict));
        }
    }

    #[test]
    fn a_verdict_in_pieces_is_the_verdict() {
        let verdict = Verdict {
            error_code: 84,
            crc32: 7,
            untrusted_last_name: Some(b"name".to_vec()),
        };
        let mut parser = VerdictParser::default();
        let bytes = verdict.to_bytes();
        // The length of the name is known once its four bytes are there.
        let known_end = |have: usize| if have < 20 { 20 } else { bytes.len() };
        for (have, byte) in bytes.iter().enumerate() {
            assert_eq!(parser.is_empty(), have == 0);
            assert_eq!(parser.has_code(), have >= VERDICT_LEN, "{have}");
            assert_eq!(parser.wanted(), known_end(have) - have, "{have}");
            parser.push(&[*byte]);
        }
        assert_eq!(parser.wanted(), 0);
        parser.push(b"more");
        assert_eq!(parser.finish(), Some(verdict));
    }

    #[test]
    fn fewer_than_16_bytes_are_no_verdict() {
        for len in 0..VERDICT_LEN {
            assert_eq!(parsed(&vec![0; len]), None);
        }
    }

    #[test]
    fn a_name_that_is_cut_is_no_name() {
        let bytes = Verdict {
            error_code: 1,
            crc32: 2,
            untrusted_last_name: Some(b"abc".to_vec()),
        }
        .to_bytes();
        for end in VERDICT_LEN..bytes.len() {
            assert_eq!(
                parsed(&bytes[..end]).unwrap().untrusted_last_name,
                None,
                "{end} bytes"
            );
        }
    }

    #[test]
    fn whatever_length_is_announced_at_most_16384_bytes_of_name_are_taken() {
        let mut parser = VerdictParser::default();
        parser.push(&[0; VERDICT_LEN]);
        parser.push(&u32::MAX.to_le_bytes());
        assert_eq!(parser.wanted(), MAX_LAST_NAME_LEN);
        parser.push(&vec![b'x'; MAX_LAST_NAME_LEN + 100]);
        assert_eq!(parser.wanted(), 0);
        assert_eq!(
            parser.finish().unwrap().untrusted_last_name,
            Some(vec![b'x'; MAX_LAST_NAME_LEN])
        );
    }

    #[test]
    fn a_negative_errno_is_read_as_the_errno() {
        let errno = |error_code| {
            Verdict {
                error_code,
                ..Verdict::default()
            }
            .errno()
        };
        assert_eq!(errno(4_294_967_212), Some(libc::EILSEQ));
        assert_eq!(errno(84), Some(libc::EILSEQ));
        assert_eq!(errno(4095), Some(4095));
        assert_eq!(errno(0), None);
        assert_eq!(errno(4096), None);
        assert_eq!(errno(LEGAL_EOF), None);
    }

    #[test]
    fn text_from_a_start_up_file_is_recognised_and_given_back() {
        let mut parser = VerdictParser::default();
        parser.push(b"Welcome to this qube!\n\x1b[0m");
        assert_eq!(
            parser.untrusted_text(),
            Some(&b"Welcome to this qube!\n"[..])
        );
        for code in [0, 17, LEGAL_EOF, 4_294_967_212, 0x2020_2000] {
            let mut parser = VerdictParser::default();
            parser.push(
                &Verdict {
                    error_code: code,
                    ..Verdict::default()
                }
                .to_bytes(),
            );
            assert_eq!(parser.untrusted_text(), None, "{code}");
        }
    }

    #[test]
    fn every_refusal_has_its_code_and_no_exit_status_is_zero() {
        let table = [
            (Refusal::StreamCut, 121),
            (Refusal::EndedEarly, 31_415_926),
            (Refusal::NameTooLong, 36),
            (Refusal::BadField, 22),
            (Refusal::ForbiddenName, 84),
            (Refusal::ForbiddenTarget, 84),
            (Refusal::UnsafeLink, 67),
            (Refusal::LimitReached, 122),
            (Refusal::AlreadyExists, 17),
            (Refusal::IncomingFolderGone, 2),
            (Refusal::Unusable(1), 1),
            (Refusal::System(28), 28),
            (Refusal::System(0), 5),
            (Refusal::System(-1), 5),
        ];
        for (refusal, code) in table {
            assert_eq!(refusal.code(), code, "{refusal:?}");
            assert!(refusal.to_string().contains(' '), "{refusal:?} says why");
            assert_ne!(refusal.exit_status(), 0, "{refusal:?}");
        }
        assert_eq!(Refusal::System(256).exit_status(), 1);
        assert_eq!(Refusal::EndedEarly.exit_status(), 118);
    }
}
