//! Why sending stops before the end, as an error of input and output.

use std::fmt;
use std::io;

/// Why sending stops before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The receiver has answered, or is gone.
    Answered,
    /// The user has pressed Cancel.
    Cancelled,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answered => "the receiver answered before the end",
            Self::Cancelled => "cancelled",
        })
    }
}

impl std::error::Error for Stop {}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        Self::other(stop)
    }
}
