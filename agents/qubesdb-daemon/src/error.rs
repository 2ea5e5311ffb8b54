//! Why the daemon does not start, or ends.

use std::fmt;
use std::io;
use std::path::Path;

/// What was attempted, on what, why it failed, and what to do.
#[derive(Debug)]
pub(crate) struct Error {
    attempted: String,
    cause: io::Error,
    advice: &'static str,
}

impl Error {
    pub(crate) fn new(attempted: &str, path: &Path, cause: impl Into<io::Error>) -> Self {
        Self {
            attempted: format!("{attempted} \"{}\"", text::path(path)),
            cause: cause.into(),
            advice: "",
        }
    }

    pub(crate) fn of_system(attempted: &str, cause: impl Into<io::Error>) -> Self {
        Self {
            attempted: attempted.to_owned(),
            cause: cause.into(),
            advice: "",
        }
    }

    pub(crate) fn advising(self, advice: &'static str) -> Self {
        Self { advice, ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.attempted, self.cause)?;
        match self.advice {
            "" => Ok(()),
            advice => write!(f, "\n{advice}"),
        }
    }
}
