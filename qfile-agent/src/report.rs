//! How a copy ended, in words: on stderr, on the result line, in a dialog.
//!
//! The first words of the messages that stand for a verdict are those of the C tool, because people
//! search for them.

use std::fs::File;
use std::io;
use std::os::fd::RawFd;

use desktop::dialog::Dialogs;
use program::inherited;
use program::say::say;
use qfile_proto::Verdict;
use qfile_proto::verdict::LEGAL_EOF;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::stdio::{dup2_stdin, dup2_stdout};
use text::own;
use transfer::SendError;
use transfer::result_line::{Outcome, ResultLine};
use walk::{ArgumentError, WalkError};

use crate::left_out::LeftOut;
use crate::source::NoLength;

/// Why a copy failed.
#[derive(Debug)]
pub(crate) enum Failure {
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
    /// What is sent cannot be noted for the manifest.
    Manifest(io::Error),
    /// The copy is confirmed, but its manifest cannot be handed over.
    Undelivered(io::Error),
    /// Something went wrong between this qube and the target qube.
    Sending(SendError),
}

/// The end of a copy, as its user is told.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) outcome: Outcome,
    /// One line, safe to show; empty when all went well.
    message: String,
    /// What to do about it.
    advice: String,
    /// Whoever takes the result and the manifest says it.
    is_said_elsewhere: bool,
}

/// What is known to have arrived of a copy that stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// Nothing.
    Nothing,
    /// What the journal says; whoever takes it says how to go on.
    Known,
    /// All of it.
    All,
    /// Maybe something.
    Unknown,
}

/// The end of advice that helps if nothing has arrived: what is there already is refused.
const AGAIN: &str = ", and copy again";

const IF_A_NAME_IS_TAKEN: &str =
    "move or rename it in the target qube's QubesIncoming folder, and copy again";

const OR_ANOTHER_NAME: &str = "or copy it under another name with --as; with ON_CONFLICT=rename \
                               in /rw/config/filecopy.conf there (see filecopy.conf(5)), files \
                               whose name already exists there get a new name automatically";

impl Failure {
    /// What an error of the stream stands for.
    pub(crate) fn from_stream(error: io::Error) -> Self {
        Self::Sending(SendError::from_stream(error))
    }

    /// True if the receiver can still say how far it came.
    pub(crate) fn is_of_this_side(&self) -> bool {
        match self {
            Self::Sending(failure) => matches!(failure, SendError::Cancelled),
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

    fn outcome(&self) -> Outcome {
        match self {
            Self::Argument(_) => Outcome::Usage,
            Self::Sending(SendError::Cancelled) => Outcome::Cancelled,
            _ => Outcome::Failed,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Argument(error) => error.to_string(),
            Self::Walk(error) => error.to_string(),
            Self::Content(path, error) => format!("cannot read \"{}\": {error}", own(path)),
            Self::NoLength(path, error) => format!("cannot read \"{}\": {error}", own(path)),
            Self::Shrunk(path) => format!("\"{}\" became shorter while it was copied", own(path)),
            Self::TargetTooLong(path) => {
                format!(
                    "the target of the link \"{}\" is too long to be sent",
                    own(path)
                )
            }
            Self::Landed(error) => {
                format!("cannot read the list of files that arrived before: {error}")
            }
            Self::Manifest(error) => format!("cannot write the list of sent files: {error}"),
            Self::Undelivered(error) => {
                format!(
                    "what was sent arrived, but the list of sent files cannot be \
                     passed to the command: {error}"
                )
            }
            Self::Sending(failure) => failure.to_string(),
        }
    }

    fn advice(&self) -> &'static str {
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
            Self::Landed(_) => "remove any files that arrived in the target qube, and copy again",
            Self::Manifest(_) => {
                "make room in /var/tmp, or set TMPDIR to a folder on a disk with room, and copy again"
            }
            Self::Undelivered(_) => {
                "nothing is deleted here; make room in /var/tmp, or set TMPDIR to a folder on a \
                 disk with room, remove any files that arrived in the target qube's \
                 QubesIncoming folder, and try again"
            }
            Self::Sending(failure) => sending_advice(failure),
        }
    }
}

fn sending_advice(failure: &SendError) -> &'static str {
    match failure {
        SendError::Write(_) | SendError::Read(_) => {
            "check that the target qube is running, and copy again; if you started qfile-agent by \
             hand, use qvm-copy instead"
        }
        SendError::Interrupted | SendError::NoAnswer | SendError::CutAnswer => {
            "look into the target qube: check that its disk is not full and that its service \
             qubes.Filecopy is intact. Any files that arrived are in its QubesIncoming folder"
        }
        SendError::Late(_) => {
            "it may still be writing to disk; look into its QubesIncoming folder before copying again"
        }
        SendError::Text(_) => {
            "a start-up file of the target qube's user (such as ~/.profile) prints it; make it \
             print only in interactive shells"
        }
        SendError::Cancelled => {
            "any files that arrived are in the target qube's QubesIncoming folder"
        }
        SendError::EarlySuccess | SendError::Damaged => {
            "do not rely on what arrived; remove it from the target qube's QubesIncoming folder and copy again"
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
        Some(Errno::EXIST) => IF_A_NAME_IS_TAKEN,
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
        Some(Errno::DQUOT) => {
            "a limit of the target qube or of its disk is reached: copy less at once, or raise \
             the limit there"
        }
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

impl Report {
    /// The end of a copy that was asked for by one of our programs, or by another, which takes what no
    /// stream carries for no part of the copy.
    pub(crate) fn new(copied: Result<LeftOut, Failure>, is_called_by_ours: bool) -> Self {
        let is_complete = |left_out: &LeftOut| {
            left_out.is_empty() || (left_out.is_only_special() && !is_called_by_ours)
        };
        match copied {
            Ok(left_out) if is_complete(&left_out) => Self {
                outcome: Outcome::Complete,
                message: String::new(),
                advice: String::new(),
                is_said_elsewhere: false,
            },
            Ok(left_out) => Self {
                outcome: Outcome::Partial,
                message: left_out.to_string(),
                advice: "everything else was copied".to_owned(),
                is_said_elsewhere: left_out.is_listed(),
            },
            Err(failure) => Self {
                outcome: failure.outcome(),
                message: failure.message(),
                advice: failure.advice().to_owned(),
                is_said_elsewhere: false,
            },
        }
    }

    /// The same, when so much has arrived: advice is what works then.
    pub(crate) fn after(mut self, arrived: Arrived) -> Self {
        let is_taken = self.advice == IF_A_NAME_IS_TAKEN;
        if let Some(remedy) = self.advice.strip_suffix(AGAIN) {
            self.advice = match arrived {
                Arrived::Nothing => return self.or_another_name(is_taken),
                Arrived::Known | Arrived::All => remedy.to_owned(),
                Arrived::Unknown => {
                    format!(
                        "{remedy}, remove any files that arrived in its QubesIncoming \
                         folder{AGAIN}"
                    )
                }
            };
        }
        if self.outcome == Outcome::Cancelled {
            match arrived {
                Arrived::All => self.message.push_str(" when everything had arrived"),
                Arrived::Unknown => self
                    .advice
                    .push_str(": remove them there before you copy again"),
                Arrived::Nothing | Arrived::Known => {}
            }
        }
        self.or_another_name(is_taken && arrived == Arrived::Unknown)
    }

    fn or_another_name(mut self, is_taken: bool) -> Self {
        if is_taken {
            self.advice = format!("{}; {OR_ANOTHER_NAME}", self.advice);
        }
        self
    }

    /// Tells whoever listens. Whoever takes the result shows it, together with what comes of it. The
    /// receiver is let go first: it must not wait for a dialog.
    pub(crate) fn deliver(&self, result_fd: Option<RawFd>, is_gui: bool) {
        if let Some(text) = self.text() {
            say(text);
        }
        let is_handed_over = result_fd.is_some_and(|number| self.hand_over(number));
        let is_shown = is_gui && !is_handed_over;
        if is_shown && !matches!(self.outcome, Outcome::Complete | Outcome::Cancelled) {
            hang_up();
            if let Some(dialogs) = Dialogs::find() {
                let text = format!("{}\n\n{}", self.message, self.advice);
                let _said_on_stderr = dialogs.error("Copy to another qube", &text);
            }
        }
    }

    /// What stderr says of it.
    fn text(&self) -> Option<String> {
        let Self {
            message, advice, ..
        } = self;
        match self.outcome {
            Outcome::Complete => None,
            Outcome::Partial if self.is_said_elsewhere => None,
            Outcome::Partial => Some(format!("qfile-agent: {advice}")),
            Outcome::Cancelled => Some(format!("qfile-agent: {message}; {advice}")),
            Outcome::Failed | Outcome::Usage => Some(format!(
                "qfile-agent: Fatal error: {message}\nqfile-agent: {advice}"
            )),
        }
    }

    /// Writes the result line; false if nobody gets it.
    fn hand_over(&self, number: RawFd) -> bool {
        let line = ResultLine {
            outcome: self.outcome,
            message: match self.outcome {
                Outcome::Complete => String::new(),
                _ => format!("{}; {}", self.message, self.advice),
            },
        };
        let written =
            inherited::take(number).and_then(|output| line.write_to(&mut File::from(output)));
        if let Err(error) = &written {
            say(format_args!(
                "qfile-agent: cannot write the result to descriptor {number}: {error}"
            ));
        }
        written.is_ok()
    }
}

/// Lets go of stdin and stdout before the end of the program.
fn hang_up() {
    if let Ok(nothing) = openat(
        CWD,
        "/dev/null",
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        let _both_or_as_they_are = dup2_stdin(&nothing).and_then(|()| dup2_stdout(&nothing));
    }
}

impl From<SendError> for Failure {
    fn from(failure: SendError) -> Self {
        Self::Sending(failure)
    }
}

impl From<ArgumentError> for Failure {
    fn from(error: ArgumentError) -> Self {
        Self::Argument(error)
    }
}

#[cfg(test)]
mod catalogue;
