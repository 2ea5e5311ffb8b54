//! Why there is no answer, in words for the user of either qube.

use std::fmt;
use std::io;

use qfile_proto::display;

/// What kept the server from answering. The status is not 0 then.
#[derive(Debug)]
pub(crate) enum Failure {
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
    /// The other qube does not take the answer.
    NotSent(String, io::Error),
}

impl Failure {
    /// For `map_err`.
    pub(crate) fn system(attempted: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System(attempted, error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = |name: &str| display::own(name.as_bytes());
        match self {
            Self::Caller => f.write_str("QREXEC_REMOTE_DOMAIN is not the name of a qube"),
            Self::RelativeOpener => f.write_str("VM_FILE_EDITOR_OPENER is not an absolute path"),
            Self::System(attempted, error) => write!(f, "cannot {attempted}: {error}"),
            Self::NoRequest => f.write_str("the other qube ended before it had sent a name"),
            Self::NoFileName => f.write_str("the other qube sent a name that can be no file's"),
            Self::NoOpener => f.write_str(
                "nothing opens files here: neither /usr/bin/qubes-open nor xdg-open is installed",
            ),
            Self::NotStarted(program, error) => write!(f, "cannot start {}: {error}", own(program)),
            Self::OpenerFailed(how, last_line) => {
                write!(f, "the program that opens files {how}")?;
                if last_line.is_empty() {
                    return Ok(());
                }
                write!(f, ": {}", own(last_line))
            }
            Self::NobodyToAsk(name) => write!(
                f,
                "it cannot be seen whether somebody works on {}, and nobody can be asked: install \
                 zenity or kdialog in the template; nothing was sent back",
                own(name)
            ),
            Self::Gone(name, saved_as) => {
                write!(f, "{} is gone, so nothing was sent back", own(name))?;
                match saved_as {
                    Some(other) => write!(f, "; the other file, {}, is lost", own(other)),
                    None => Ok(()),
                }
            }
            Self::NotRegular(name) => {
                let name = own(name);
                write!(
                    f,
                    "{name} is no regular file any more, so nothing was sent back"
                )
            }
            Self::Emptied(name) => write!(
                f,
                "{} is empty now; that cannot be sent back, and the original stays as it is",
                own(name)
            ),
            Self::StillWritten(name) => {
                let name = own(name);
                write!(f, "{name} was written to while it was sent back")
            }
            Self::NotSent(name, error) => {
                let name = own(name);
                write!(f, "the other qube does not take {name} back: {error}")
            }
        }
    }
}

impl std::error::Error for Failure {}
