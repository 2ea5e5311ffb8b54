//! Why there is no answer, in words for the user of either qube.

use std::fmt;
use std::io;

use program::failure::Failure;
use qfile_proto::edit_answer::Kind;

/// What kept the server from answering. The status is not 0 then.
#[derive(Debug)]
pub(crate) enum Error {
    /// `QREXEC_REMOTE_DOMAIN` names no qube.
    Caller,
    /// `VM_FILE_EDITOR_OPENER` is no absolute path.
    RelativeOpener,
    /// A system call of our own failed: what was attempted, and why it failed.
    System(&'static str, io::Error),
    /// The input ended before there was a name.
    NoRequest,
    /// The name in the request can be no file's.
    NoFileName,
    /// There is something behind the name in the request.
    BytesBehindName,
    /// The other qube ended the call while it sent the file.
    CallerGone,
    /// There is neither `qubes-open` nor `xdg-open`.
    NoOpener,
    /// The opener cannot be started.
    NotStarted(String, io::Error),
    /// The opener said that it failed; with the last line that it wrote.
    OpenerFailed(String, String),
    /// Nobody was seen at work on the file, and the user cannot be asked.
    NobodyToAsk(String),
    /// The file is gone; under this name there is another now.
    Gone(String, Option<String>),
    /// There is something else under its name.
    NotRegular(String),
    /// The file is empty now, which cannot be said to the other qube.
    Emptied(String),
    /// Somebody wrote to the file while it was sent.
    StillWritten(String),
    /// The other qube does not take the new content.
    NotSent(String, io::Error),
    /// The other qube does not take the answer, which has no content.
    NobodyListens(String, io::Error),
}

impl Error {
    /// For `map_err`.
    pub(crate) fn system(attempted: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System(attempted, error)
    }

    /// What the other qube is told that happened to a file that was to be opened.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::NoOpener | Self::NotStarted(..) | Self::OpenerFailed(..) => Kind::OpenerFailed,
            _ => Kind::EndNotSeen,
        }
    }

    /// The other qube has what there is to have, or there is nothing.
    pub(crate) fn is_about_an_answer_that_was_given(&self) -> bool {
        match self {
            Self::NoOpener
            | Self::NotStarted(..)
            | Self::OpenerFailed(..)
            | Self::Gone(..)
            | Self::NotRegular(_)
            | Self::Emptied(_)
            | Self::NobodyListens(..) => true,
            Self::Caller
            | Self::RelativeOpener
            | Self::System(..)
            | Self::NoRequest
            | Self::NoFileName
            | Self::BytesBehindName
            | Self::CallerGone
            | Self::NobodyToAsk(_)
            | Self::StillWritten(_)
            | Self::NotSent(..) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &str| text::name(name.as_bytes());
        match self {
            Self::Caller => f.write_str("QREXEC_REMOTE_DOMAIN is not the name of a qube"),
            Self::RelativeOpener => f.write_str("VM_FILE_EDITOR_OPENER is not an absolute path"),
            Self::System(attempted, error) => write!(f, "cannot {attempted}: {error}"),
            Self::NoRequest => f.write_str("the other qube ended before it had sent a name"),
            Self::NoFileName => f.write_str("the other qube sent a name that no file can have"),
            Self::BytesBehindName => f.write_str(
                "the other qube sent unexpected data after the name: its program is damaged or \
                 newer than this one",
            ),
            Self::CallerGone => {
                f.write_str("the other qube ended the call before it had sent all of the file")
            }
            Self::NoOpener => f.write_str(
                "no program here can open files: neither /usr/bin/qubes-open nor xdg-open is \
                 installed",
            ),
            Self::NotStarted(program, error) => {
                write!(f, "cannot start {}: {error}", shown(program))
            }
            Self::OpenerFailed(how, last_line) => {
                write!(f, "the program that opens files {how}")?;
                if last_line.is_empty() {
                    return Ok(());
                }
                write!(f, ": {}", text::own(last_line.as_bytes()))
            }
            Self::NobodyToAsk(name) => write!(
                f,
                "cannot detect whether {} is still in use, and cannot show a window to ask the \
                 user",
                shown(name)
            ),
            Self::Gone(name, saved_as) => {
                write!(
                    f,
                    "{} no longer exists, so nothing was sent back",
                    shown(name)
                )?;
                match saved_as {
                    Some(other) => write!(f, "; it may have been saved as {}", shown(other)),
                    None => Ok(()),
                }
            }
            Self::NotRegular(name) => {
                let name = shown(name);
                write!(
                    f,
                    "{name} is no longer a regular file, so nothing was sent back"
                )
            }
            Self::Emptied(name) => write!(
                f,
                "{} is empty now; an empty file cannot be sent back, and the original is not \
                 replaced",
                shown(name)
            ),
            Self::StillWritten(name) => {
                let name = shown(name);
                write!(f, "{name} was changed while it was being sent back")
            }
            Self::NotSent(name, error) => {
                let name = shown(name);
                write!(f, "the other qube did not accept {name}: {error}")
            }
            Self::NobodyListens(name, error) => write!(
                f,
                "the other qube did not wait for the end of {}: {error}",
                shown(name)
            ),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        (&error).into()
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let failure = Self::new(error);
        match error {
            Error::NobodyToAsk(_) => failure.advise("install zenity or kdialog in the template"),
            _ => failure,
        }
    }
}
