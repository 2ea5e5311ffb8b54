//! How a copy ended, in words: on stderr, on the result line, in a dialog.
//!
//! The first words of the messages that stand for a verdict are those of the C tool, because people
//! search for them.

use std::fs::File;
use std::io;
use std::os::fd::RawFd;

use qfile_proto::Verdict;
use qfile_proto::display::own;
use qfile_proto::verdict::LEGAL_EOF;
use qfile_sender::Failure as Sending;
use qfile_walk::{ArgumentError, WalkError};
use qvm_common::dialog::Dialogs;
use qvm_common::inherited;
use qvm_common::result_line::{Outcome, ResultLine};
use qvm_common::say::say;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::stdio::{dup2_stdin, dup2_stdout};

use crate::left_out::LeftOut;

/// Why a copy failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An argument cannot be sent, whatever it names.
    Argument(ArgumentError),
    /// Something cannot be reached or opened.
    Walk(WalkError),
    /// The content of this file cannot be read.
    Content(Vec<u8>, io::Error),
    /// This file has become shorter than was promised.
    Shrunk(Vec<u8>),
    /// The target of this link is longer than the format allows.
    TargetTooLong(Vec<u8>),
    /// What is sent cannot be noted for the manifest.
    Manifest(io::Error),
    /// The copy is confirmed, but its manifest cannot be handed over.
    Undelivered(io::Error),
    /// Something went wrong between this qube and the target qube.
    Sending(Sending),
}

/// The end of a copy, as its user is told.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) outcome: Outcome,
    /// One line, safe to show; empty when all went well.
    message: String,
    /// What to do about it.
    advice: &'static str,
}

impl Failure {
    /// What an error of the stream stands for.
    pub(crate) fn from_stream(error: io::Error) -> Self {
        Self::Sending(Sending::from_stream(error))
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Argument(_) => Outcome::Usage,
            Self::Sending(Sending::Cancelled) => Outcome::Cancelled,
            _ => Outcome::Failed,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Argument(error) => error.to_string(),
            Self::Walk(error) => error.to_string(),
            Self::Content(path, error) => format!("cannot read \"{}\": {error}", own(path)),
            Self::Shrunk(path) => format!("\"{}\" became shorter while it was copied", own(path)),
            Self::TargetTooLong(path) => {
                format!(
                    "the target of the link \"{}\" is too long to be sent",
                    own(path)
                )
            }
            Self::Manifest(error) => format!("cannot note what is sent: {error}"),
            Self::Undelivered(error) => {
                format!("everything arrived, but it cannot be said what: {error}")
            }
            Self::Sending(failure) => failure.to_string(),
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Argument(error) => error.advice(),
            Self::Walk(error) => error.advice(),
            Self::Content(..) => {
                "check the disk and the permissions, or move the file out of what is copied"
            }
            Self::Shrunk(_) => "close the program that writes to it, and copy again",
            Self::TargetTooLong(_) => "leave it out with --ignore-symlinks",
            Self::Manifest(_) => {
                "make room in /var/tmp, or set TMPDIR to a folder on a disk with room, and try again"
            }
            Self::Undelivered(_) => "delete here what was copied, when you have made sure of it",
            Self::Sending(failure) => sending_advice(failure),
        }
    }
}

fn sending_advice(failure: &Sending) -> &'static str {
    match failure {
        Sending::Write(_) | Sending::Read(_) => {
            "check that the target qube is running, and copy again; \
                 whoever started qfile-agent by hand: use qvm-copy"
        }
        Sending::Interrupted | Sending::NoAnswer | Sending::CutAnswer => {
            "look into the target qube: is its disk full, and is its qubes.Filecopy service whole? \
                 What arrived before is in its QubesIncoming folder"
        }
        Sending::Late(_) => {
            "it may still be writing to disk; look into its QubesIncoming folder before copying again"
        }
        Sending::Text(_) => {
            "a start-up file of the target qube's user (such as ~/.profile) prints it; \
                 let it print only in interactive shells"
        }
        Sending::Cancelled => "what arrived before is in the target qube's QubesIncoming folder",
        Sending::EarlySuccess | Sending::Damaged => {
            "do not rely on what arrived; remove it from the target qube's QubesIncoming folder and copy again"
        }
        Sending::Refused(verdict) => refusal_advice(verdict),
    }
}

fn refusal_advice(verdict: &Verdict) -> &'static str {
    if verdict.error_code == LEGAL_EOF {
        return "the connection was cut; copy again";
    }
    match verdict.errno().map(Errno::from_raw_os_error) {
        Some(Errno::EXIST) => {
            "move or rename it in the target qube's QubesIncoming folder, or copy under another name; \
                 with ON_CONFLICT=rename in /rw/config/filecopy.conf there, see qfile-unpacker(8), \
                 what arrives gets a new name by itself"
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
        Some(Errno::DQUOT) => {
            "a limit of the target qube or of its disk is reached: copy less at once, or raise it there"
        }
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => {
            "make the QubesIncoming folder of the target qube writable for its user, and copy again"
        }
        Some(Errno::REMOTEIO) => "the connection was cut; copy again",
        Some(Errno::NAMETOOLONG) => "shorten the name, or pack the files into an archive",
        Some(Errno::INVAL) => "check that both qubes are up to date, and copy again",
        _ => "look into the target qube; what arrived before is in its QubesIncoming folder",
    }
}

impl Report {
    pub(crate) fn new(copied: Result<LeftOut, Failure>) -> Self {
        match copied {
            Ok(left_out) if left_out.is_empty() => Self {
                outcome: Outcome::Complete,
                message: String::new(),
                advice: "",
            },
            Ok(left_out) => Self {
                outcome: Outcome::Partial,
                message: left_out.to_string(),
                advice: "everything else was copied",
            },
            Err(failure) => Self {
                outcome: failure.outcome(),
                message: failure.message(),
                advice: failure.advice(),
            },
        }
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

impl From<Sending> for Failure {
    fn from(failure: Sending) -> Self {
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
