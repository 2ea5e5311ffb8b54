//! Why a copy failed: one variant for each step before the first byte of the stream, and one for a
//! stream that was refused.
//!
//! [`Display`](fmt::Display) is what stderr gets, and qrexec shows stderr to the *calling* qube: it
//! names no path and no file of this one. [`Error::for_the_owner`] adds what only the owner may see,
//! and [`Error::advice`] what the owner can do about it.
//!
//! The receiver does not end by `program::failure` as the other programs do: that tells one text to
//! one reader, and brings command-line and log libraries into a set-uid program.

use std::fmt;
use std::io;
use std::path::PathBuf;

use qfile_proto::{Refusal, Verdict};

use crate::options::Level;

/// The most faults of the settings to name in one line of the log.
const MAX_FAULTS: usize = 8;

/// Why a copy failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// A bad option or value; the text says which.
    Usage(String),
    /// The descriptors that were inherited cannot be listed and closed, or looked at.
    Descriptors(io::Error),
    /// stdin, stdout or stderr is a folder.
    Folder,
    /// Signal mask or resource limits cannot be set.
    Limits(io::Error),
    /// A caller who is not root named the uid of somebody else.
    ForeignUid,
    /// The program is set-uid or set-gid to somebody who is not root.
    WrongSetId,
    /// The password database has no entry for the uid.
    NoPasswordEntry(u32),
    /// The password database cannot be read.
    PasswordDatabase(io::Error),
    /// `QREXEC_REMOTE_DOMAIN` is missing or no name that a qube can have.
    RemoteDomain,
    /// The identity of the user could not be taken up; the text says which part.
    Identity(&'static str, io::Error),
    /// The owner's settings cannot be used; the texts say what is wrong with them.
    Settings(Vec<String>),
    /// The incoming folder, or the way to it, cannot be opened or created.
    Incoming(&'static str, PathBuf, io::Error),
    /// A step of the jail failed that has no substitute; the text says which.
    Jail(&'static str, io::Error),
    /// Privileges that were given up can be had back.
    PrivilegesRemain(&'static str),
    /// The self-test found that something forbidden is possible.
    SelfTest(&'static str),
    /// The isolation that could be had is below what was asked for, with what stood in the way.
    Isolation(Option<Level>, Level, Vec<String>),
    /// The stream was refused. The caller gets the verdict when the owner's log has the reason.
    Stopped {
        /// The incoming folder, as it is shown.
        into: String,
        /// The last name that came, as it is shown; empty if none did.
        at: String,
        /// Why.
        refusal: Refusal,
        /// What the caller gets.
        verdict: Verdict,
    },
    /// The verdict could not be sent.
    Verdict(io::Error),
}

impl Error {
    /// `what` is wrong with `argument`, which is shown; an empty one is not.
    pub(crate) fn usage(what: &str, argument: &[u8]) -> Self {
        match text::foreign(argument) {
            shown if shown.is_empty() => Self::Usage(what.to_owned()),
            shown => Self::Usage(format!("{what}: \"{shown}\"")),
        }
    }

    /// The message with what only the owner of this qube may see: whose path it is and why.
    pub(crate) fn for_the_owner(&self) -> String {
        match self {
            Self::Incoming(what, path, error) => {
                let path = text::file(path);
                format!("cannot {what}: {error} ({path})")
            }
            Self::Settings(faults) => {
                let shown = &faults[..faults.len().min(MAX_FAULTS)];
                let more = match faults.len() - shown.len() {
                    0 => String::new(),
                    more => format!("; and {more} more"),
                };
                let shown = shown.join("; ");
                format!("every copy is refused until the settings are corrected: {shown}{more}")
            }
            Self::NoPasswordEntry(uid) => format!("{self}: uid {uid}"),
            Self::PasswordDatabase(error) => format!("{self}: {error}"),
            Self::Isolation(_, _, notes) => {
                let lines: Vec<&str> = notes.iter().map(String::as_str).collect();
                format!("{self}: {}", lines.join("; "))
            }
            Self::Stopped {
                into, at, refusal, ..
            } => {
                let at = match at.as_str() {
                    "" => String::new(),
                    name => format!(" at \"{name}\""),
                };
                format!("a copy into {into} stopped{at}: {refusal}")
            }
            _ => self.to_string(),
        }
    }

    /// Where the owner of this qube finds what to do about it.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Usage(_) => Some("see qfile-unpacker(8)"),
            Self::Settings(_) => Some("see filecopy.conf(5)"),
            Self::Stopped { refusal, .. } => match *refusal {
                Refusal::LimitReached => Some("see MAX_BYTES and MAX_FILES in filecopy.conf(5)"),
                Refusal::System(libc::EEXIST) => Some("see ON_CONFLICT in filecopy.conf(5)"),
                _ => None,
            },
            _ => None,
        }
    }

    /// The exit status of the receiver: the code of a refusal cut to 8 bits, else 1.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Stopped { refusal, .. } => refusal.exit_status(),
            _ => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => f.write_str(what),
            Self::Descriptors(e) => {
                write!(f, "cannot list and close the inherited descriptors: {e}")
            }
            Self::Folder => f.write_str("stdin, stdout or stderr is a folder"),
            Self::Limits(e) => write!(f, "cannot reset signals and limits: {e}"),
            Self::ForeignUid => f.write_str("only root may receive for another user"),
            Self::WrongSetId => {
                f.write_str("installed set-uid or set-gid to a user that is not root")
            }
            Self::NoPasswordEntry(_) => f.write_str("the user has no password entry"),
            Self::PasswordDatabase(_) => f.write_str("cannot read the password database"),
            Self::RemoteDomain => f.write_str("QREXEC_REMOTE_DOMAIN is not the name of a qube"),
            Self::Identity(what, e) => write!(f, "cannot become the user: {what}: {e}"),
            Self::Settings(_) => {
                f.write_str("the target qube receives nothing; its log gives the reason")
            }
            Self::Incoming(what, _, _) => {
                write!(f, "cannot {what}; the target qube's log says why")
            }
            Self::Jail(what, e) => write!(f, "cannot isolate the receiver: {what}: {e}"),
            Self::PrivilegesRemain(what) => {
                write!(f, "cannot isolate the receiver: {what} can be had back")
            }
            Self::SelfTest(what) => write!(f, "the isolation does not hold: {what}"),
            Self::Isolation(got, required, _) => {
                let got = got.map_or("none", Level::name);
                write!(
                    f,
                    "isolation {required} is required, but only {got} can be had"
                )
            }
            Self::Stopped { refusal, .. } => refusal.fmt(f),
            Self::Verdict(e) => write!(f, "cannot send the verdict: {e}"),
        }
    }
}

impl std::error::Error for Error {}
