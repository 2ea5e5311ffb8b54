//! What can go wrong with a path, a value or a call.

use std::error;
use std::fmt;
use std::io;

/// Why something is no path, or no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// A path of more than 63 bytes.
    PathTooLong,
    /// A byte that no path has.
    PathByte(u8),
    /// `-` is the first byte of a path.
    PathDash,
    /// A path that does not begin with `/`.
    PathNotAbsolute,
    /// A path that ends with `/` where a key is needed.
    PathIsFolder,
    /// A value of more than 3,071 bytes.
    ValueTooLong,
    /// A value with a NUL.
    ValueNul,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathTooLong => f.write_str("a path has at most 63 bytes"),
            Self::PathByte(byte) => write!(
                f,
                "a path has no byte 0x{byte:02x}, only letters, digits and -_/.:@"
            ),
            Self::PathDash => f.write_str("a path does not begin with \"-\""),
            Self::PathNotAbsolute => f.write_str("a path begins with \"/\""),
            Self::PathIsFolder => f.write_str("a path that ends with \"/\" is a folder, not a key"),
            Self::ValueTooLong => f.write_str("a value has at most 3071 bytes"),
            Self::ValueNul => f.write_str("a value has no NUL byte"),
        }
    }
}

impl error::Error for Invalid {}

/// Why a call failed.
#[derive(Debug)]
pub enum Error {
    /// There is no such key, or no such watch.
    Missing,
    /// The daemon refused: the read-only socket was asked to change something, or a limit is
    /// reached.
    Refused,
    /// The path or the value is none. Nothing was sent.
    Invalid(Invalid),
    /// No daemon could be reached, or it went away and did not come back.
    Gone(io::Error),
    /// There was no answer in time. The next call connects again.
    TimedOut,
    /// The daemon answered what the protocol does not allow. The next call connects again.
    Protocol(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such key"),
            Self::Refused => f.write_str("the QubesDB daemon refused it"),
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Gone(error) => write!(f, "no QubesDB daemon answers: {error}"),
            Self::TimedOut => f.write_str("the QubesDB daemon did not answer in time"),
            Self::Protocol(what) => write!(f, "the QubesDB daemon sent {what}"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Gone(error) => Some(error),
            Self::Invalid(invalid) => Some(invalid),
            _ => None,
        }
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}
