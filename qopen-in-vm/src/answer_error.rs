//! Why what came cannot be taken for the whole new content.

use std::fmt;
use std::io;

use program::failure::Failure;
use qfile_proto::edit_answer;

/// What to do when the other side has not done its part.
pub const OPEN_AGAIN: &str = "check that the other qube is still running, and open it again";

/// What to do when the connection is lost, which does not close the editor.
pub const MAY_BE_OPEN: &str = "the editor may still be open in the other qube, and an edit that is \
                               saved there is not sent back but kept there; look there before you \
                               open the file again";

/// Why what came cannot be taken for the whole new content.
#[derive(Debug)]
pub enum AnswerError {
    /// The original could not be read to its end.
    NotRead(io::Error),
    /// The other qube did not take all of the file.
    NotTaken(Option<io::Error>),
    /// It answered before it had the file.
    NotAsked,
    /// It sent more than this many bytes.
    TooLong(u64),
    /// The connection broke.
    Broken(io::Error),
    /// The frame around the answer cannot be believed.
    Frame(edit_answer::Fault),
    /// What came could not be stored.
    NotStored(io::Error),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use edit_answer::Fault::{Cut, Damaged, Malformed, Trailing};
        match self {
            Self::NotRead(error) => write!(f, "it could not be read completely: {error}"),
            Self::NotTaken(Some(error)) => {
                write!(f, "the other qube did not accept all of it: {error}")
            }
            Self::NotTaken(None) => f.write_str("the other qube did not accept all of it"),
            Self::NotAsked => {
                f.write_str("the other qube answered before it had received the file")
            }
            Self::TooLong(limit) => write!(f, "the other qube sent more than {limit} bytes"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Frame(Cut) => {
                f.write_str("the connection ended before the complete answer had arrived")
            }
            Self::Frame(Damaged) => {
                f.write_str("the answer is damaged: its checksum does not match its content")
            }
            Self::Frame(Malformed) => f.write_str(
                "the answer is of an unknown kind, or the edit itself contains the bytes that \
                 begin an answer",
            ),
            Self::Frame(Trailing) => {
                f.write_str("the other qube sent more data after the end of the answer")
            }
            Self::NotStored(error) => write!(f, "the answer cannot be stored: {error}"),
        }
    }
}

impl AnswerError {
    /// What to do about it.
    fn advice(&self) -> &'static str {
        use edit_answer::Fault::{Cut, Damaged, Malformed, Trailing};
        match self {
            Self::NotRead(_) => "check the disk that contains it, and that no program truncates it",
            Self::NotTaken(_) | Self::NotAsked | Self::Frame(Damaged) => OPEN_AGAIN,
            Self::TooLong(_) => "if the edit is really that long, allow it with --max-answer-bytes",
            Self::Broken(_) | Self::Frame(Cut) => MAY_BE_OPEN,
            Self::Frame(Malformed) => "update qfile in the templates of both qubes",
            Self::Frame(Trailing) => {
                "find out what prints text in the other qube, such as ~/.profile or \
                 ~/.bash_logout"
            }
            Self::NotStored(_) => "make room in its folder or in /tmp, and open it again",
        }
    }

    /// The connection ended too early: how the call ended tells more.
    pub(crate) fn is_lost_connection(&self) -> bool {
        let cut = edit_answer::Fault::Cut;
        match self {
            Self::NotTaken(_) | Self::Broken(_) => true,
            Self::Frame(fault) => *fault == cut,
            _ => false,
        }
    }
}

impl From<AnswerError> for Failure {
    fn from(error: AnswerError) -> Self {
        Self::new(&error).advise(error.advice())
    }
}
