//! Why a copy fails, and what to do about it.

use std::io;

use qfile_proto::Verdict;
use qfile_proto::verdict::LEGAL_EOF;
use rustix::io::Errno;
use text::name;
use transfer::result_line::Outcome;
use transfer::{SendError, error_type, refusal};
use walk::{ArgumentError, Arguments, Links, WalkError};

use crate::source::NoLength;

/// Why a copy failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// An argument cannot be sent, whatever it names.
    Argument(ArgumentError),
    /// Something cannot be reached or opened.
    Walk(WalkError),
    /// The content of this file cannot be read.
    Content(Vec<u8>, io::Error),
    /// The length of this file cannot be found out before it is sent.
    NoLength(Vec<u8>, NoLength),
    /// This file has become shorter than was promised.
    Shrunk(Vec<u8>),
    /// The target of this link is longer than the format allows.
    TargetTooLong(Vec<u8>),
    /// The list of what has landed before cannot be read.
    Landed(io::Error),
    /// A script cannot be told of an entry.
    Entries(io::Error),
    /// What is sent cannot be noted for the manifest.
    Manifest(io::Error),
    /// The copy is confirmed, but its manifest cannot be handed over.
    Undelivered(io::Error),
    /// Something went wrong between this qube and the target qube.
    Sending(SendError),
    /// The receiver refused, and the name in its verdict is that of an entry here.
    RefusedOwn(Verdict),
}

/// The end of advice that helps if nothing has arrived: what is there already is refused.
pub(crate) const AGAIN: &str = ", and copy again";

pub(crate) const OVER_A_LIMIT: &str = "a limit of the target qube or of its disk is reached: copy less at once, or raise the limit there";

pub(crate) const IF_A_NAME_IS_TAKEN: &str =
    "move or rename it in the target qube's QubesIncoming folder, and copy again";

/// The same for an entry of a folder, which may be there from an earlier copy: then one after the other
/// of its files would be refused.
pub(crate) const IF_A_NAME_IN_A_FOLDER_IS_TAKEN: &str = "move or rename the folder that it is in, at the top of the target qube's QubesIncoming folder, \
     and copy again";

impl Error {
    /// No path leads to the working folder, and so none to what is sent.
    pub(crate) fn no_working_folder(error: io::Error) -> Self {
        Self::Argument(ArgumentError::Start(error))
    }

    /// What an error of the stream stands for.
    pub(crate) fn from_stream(error: io::Error) -> Self {
        Self::Sending(SendError::from_stream(error))
    }

    /// The same; a verdict whose name is that of an entry of `arguments` shows the name that it has here.
    pub(crate) fn with_own_name(self, arguments: &Arguments, links: Links) -> Self {
        match self {
            Self::Sending(SendError::Refused(verdict))
                if verdict
                    .untrusted_last_name
                    .as_deref()
                    .is_some_and(|name| arguments.own_name(name, links).is_some()) =>
            {
                Self::RefusedOwn(verdict)
            }
            other => other,
        }
    }

    /// True if the receiver can still say how far it came.
    pub(crate) fn is_of_this_side(&self) -> bool {
        match self {
            Self::Sending(failure) => matches!(failure, SendError::Cancelled),
            Self::RefusedOwn(_) => false,
            _ => true,
        }
    }

    /// True if the other end is gone, which may be what a signal to all of a call's programs does.
    pub(crate) fn is_lost_connection(&self) -> bool {
        let Self::Sending(failure) = self else {
            return false;
        };
        match failure {
            SendError::Write(_)
            | SendError::Read(_)
            | SendError::Interrupted
            | SendError::NoAnswer
            | SendError::CutAnswer => true,
            SendError::Refused(verdict) => is_cut(verdict),
            _ => false,
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Argument(ArgumentError::Start(_)) => Outcome::Failed,
            Self::Argument(_) => Outcome::Usage,
            Self::Sending(SendError::Cancelled) => Outcome::Cancelled,
            _ => Outcome::Failed,
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Argument(error) => error.to_string(),
            Self::Walk(error) => error.to_string(),
            Self::Content(path, error) => format!("cannot read {}: {error}", name(path)),
            Self::NoLength(path, error) => format!("cannot read {}: {error}", name(path)),
            Self::Shrunk(path) => format!("{} became shorter while it was copied", name(path)),
            Self::TargetTooLong(path) => {
                format!(
                    "the target of the link {} is too long to be sent",
                    name(path)
                )
            }
            Self::Landed(error) => {
                format!("cannot read the list of files that arrived before: {error}")
            }
            Self::Entries(error) => {
                format!("cannot write the line of JSON about an entry: {error}")
            }
            Self::Manifest(error) => format!("cannot write the list of sent files: {error}"),
            Self::Undelivered(error) => {
                format!(
                    "what was sent arrived, but the list of sent files cannot be \
                     passed to the command: {error}"
                )
            }
            Self::Sending(SendError::Refused(verdict)) => {
                let message = SendError::Refused(verdict.clone());
                format!("{message}{}", error_type(verdict))
            }
            Self::Sending(failure) => failure.to_string(),
            Self::RefusedOwn(verdict) => {
                let own = verdict.untrusted_last_name.as_deref();
                format!("{}{}", refusal(verdict, own.map(name)), error_type(verdict))
            }
        }
    }

    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Argument(error) => error.advice(),
            Self::Walk(error) => error.advice(),
            Self::Content(..) => {
                "check the disk and the permissions, or move the file out of the folder that is \
                 copied"
            }
            Self::NoLength(_, NoLength::Keep(_)) => {
                "make room in /var/tmp, or set TMPDIR to a folder on a disk with room, and copy again"
            }
            Self::NoLength(..) => "copy it into a file on disk first, and send that file",
            Self::Shrunk(_) => "close the program that writes to it, and copy again",
            Self::TargetTooLong(_) => "leave it out with --ignore-symlinks",
            Self::Landed(_) => {
                "remove any files that arrived in the target qube's QubesIncoming folder, and name \
                 all files again"
            }
            Self::Entries(_) => {
                "check the program or the disk that takes these lines, and copy again"
            }
            Self::Manifest(_) => {
                "make room in /var/tmp, or set TMPDIR to a folder on a disk with room, and copy again"
            }
            Self::Undelivered(_) => {
                "nothing is deleted here; make room in /var/tmp, or set TMPDIR to a folder on a \
                 disk with room, remove any files that arrived in the target qube's \
                 QubesIncoming folder, and try again"
            }
            Self::Sending(failure) => sending_advice(failure),
            Self::RefusedOwn(verdict) => refusal_advice(verdict),
        }
    }
}

fn sending_advice(failure: &SendError) -> &'static str {
    match failure {
        SendError::Write(_) | SendError::Read(_) => {
            "if you started qfile-agent by hand, use qvm-copy instead; otherwise check that the \
             target qube is running, and copy again"
        }
        SendError::Interrupted | SendError::NoAnswer | SendError::CutAnswer => {
            "look into the target qube: check that its disk is not full and that its service \
             qubes.Filecopy is intact. Any files that arrived are in its QubesIncoming folder"
        }
        SendError::Late(_) => {
            "it may still be writing to disk; wait for that, and remove any files that arrived in its \
             QubesIncoming folder before you copy again"
        }
        SendError::Text(_) => {
            "a start-up file of the target qube's user (such as ~/.profile) prints it; make it \
             print only in interactive shells"
        }
        SendError::Cancelled => {
            "any files that arrived are in the target qube's QubesIncoming folder"
        }
        SendError::EarlySuccess | SendError::Damaged => {
            "do not rely on the files that arrived; remove them from the target qube's QubesIncoming \
             folder and copy again"
        }
        SendError::Refused(verdict) => refusal_advice(verdict),
    }
}

/// True if the receiver saw the stream end early.
fn is_cut(verdict: &Verdict) -> bool {
    verdict.error_code == LEGAL_EOF
        || verdict.errno().map(Errno::from_raw_os_error) == Some(Errno::REMOTEIO)
}

fn refusal_advice(verdict: &Verdict) -> &'static str {
    if verdict.error_code == LEGAL_EOF {
        return "the connection was cut: check that the target qube is running, and copy again";
    }
    match verdict.errno().map(Errno::from_raw_os_error) {
        Some(Errno::EXIST) => {
            let name = verdict.untrusted_last_name.as_deref().unwrap_or_default();
            match name.contains(&b'/') {
                true => IF_A_NAME_IN_A_FOLDER_IS_TAKEN,
                false => IF_A_NAME_IS_TAKEN,
            }
        }
        Some(Errno::ILSEQ) => {
            "rename the file, or have it copied by the service qubes.Filecopy+allow-all-names, as qvm-copy does"
        }
        Some(Errno::NOLINK) => {
            "leave links out with --ignore-symlinks, or send what they point to with --dereference"
        }
        Some(Errno::NOSPC) => "make room in the target qube, and copy again",
        Some(Errno::NOMEM) => {
            "close programs in the target qube, or give it more memory, and copy again"
        }
        Some(Errno::DQUOT) => OVER_A_LIMIT,
        Some(Errno::ACCESS | Errno::PERM) => {
            "make sure that the user of the target qube can write to its QubesIncoming folder and \
             can read the files in it, which not every file system permits (see the log there), \
             and copy again"
        }
        Some(Errno::ROFS) => {
            "make the QubesIncoming folder of the target qube writable for its user, and copy again"
        }
        Some(Errno::REMOTEIO) => {
            "the connection was cut: check that the target qube is running, and copy again"
        }
        Some(Errno::NAMETOOLONG) => "shorten the name, or pack the files into an archive",
        Some(Errno::INVAL) => "check that both qubes are up to date, and copy again",
        _ => "look into the target qube; any files that arrived are in its QubesIncoming folder",
    }
}

impl From<SendError> for Error {
    fn from(failure: SendError) -> Self {
        Self::Sending(failure)
    }
}

impl From<ArgumentError> for Error {
    fn from(error: ArgumentError) -> Self {
        Self::Argument(error)
    }
}
