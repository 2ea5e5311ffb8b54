//! A call that was not made, or broke.

use std::fmt::Display;

use qrexec::status::BROKEN;

/// A call that was not made, or broke: the exit status and what to tell the caller.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit status.
    pub(crate) status: u8,
    /// One or more lines that are safe to show; `None` if all has been said.
    pub(crate) message: Option<String>,
}

impl Failure {
    /// A failure with a message, which passed [`text`] where it holds names.
    pub(crate) fn new(status: u8, message: impl Display) -> Self {
        Self {
            status,
            message: Some(format!("qrexec-loopback: {message}")),
        }
    }

    /// A connection that broke.
    pub(crate) fn broken(error: impl Display) -> Self {
        Self::new(BROKEN, format!("the connection broke: {error}"))
    }
}
