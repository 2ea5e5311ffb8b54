//! Why an archive was not sent or stored, and what to do about it.

use std::io;
use std::process::ExitStatus;

use program::failure::Failure;
use rustix::io::Errno;
use text::foreign;
use transfer::{SendError, Stop};

use crate::ArchiveError;

/// Why a program failed. What was asked for came from another qube, and so may the archive: nothing
/// of either is shown as it is.
#[derive(Debug)]
pub enum Error {
    /// The archive cannot be converted.
    Archive(ArchiveError),
    /// Its stream was not sent, or is not confirmed.
    Sending(SendError),
    /// This archive cannot be opened.
    Open(Vec<u8>, io::Error),
    /// The archive should come from stdin, but only the answers of the receiver come from there.
    StdinIsTheReceivers,
    /// The lines that say what to do cannot be read.
    Request(io::Error),
    /// The first of them is empty.
    NothingAsked,
    /// A quotation mark in it lacks its other one.
    Quotes(Vec<u8>),
    /// This is a folder where an archive belongs.
    Folder(Vec<u8>),
    /// This is nothing that is there, and no command.
    NotThere(Vec<u8>),
    /// This command cannot be run.
    Run(Vec<u8>, io::Error),
    /// This command failed.
    Command(Vec<u8>, ExitStatus),
    /// This command ended before it had read everything.
    StoppedReading(Vec<u8>),
    /// No file can be made in this folder, or not be given its name.
    Store(Vec<u8>, io::Error),
    /// What arrives cannot be written.
    Write(io::Error),
    /// What arrived is not a whole archive. If it is kept, the name that it has.
    NotWhole(ArchiveError, Option<String>),
}

impl Error {
    /// What went wrong.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Archive(fault) => fault.to_string(),
            Self::Sending(failure) => failure.to_string(),
            Self::Open(path, error) => format!("cannot open \"{}\": {error}", foreign(path)),
            Self::StdinIsTheReceivers => {
                "cannot read an archive from stdin: stdin is connected to the receiver".to_owned()
            }
            Self::Request(error) => format!("cannot read the request from stdin: {error}"),
            Self::NothingAsked => "the line that contains the request is empty".to_owned(),
            Self::Quotes(line) => {
                format!("a closing quotation mark is missing: \"{}\"", foreign(line))
            }
            Self::Folder(path) => format!("\"{}\" is a folder", foreign(path)),
            Self::NotThere(word) => {
                format!(
                    "there is no \"{}\", neither as a path nor as a command",
                    foreign(word)
                )
            }
            Self::Run(word, error) => format!("cannot run \"{}\": {error}", foreign(word)),
            Self::Command(word, status) => format!("\"{}\" failed ({status})", foreign(word)),
            Self::StoppedReading(word) => {
                format!(
                    "\"{}\" ended before it had read the whole backup",
                    foreign(word)
                )
            }
            Self::Store(path, error) => {
                format!("cannot make a backup in \"{}\": {error}", foreign(path))
            }
            Self::Write(error) => format!("cannot write the backup: {error}"),
            Self::NotWhole(fault, None) => format!("the backup did not arrive completely: {fault}"),
            Self::NotWhole(fault, Some(name)) => {
                format!(
                    "the backup did not arrive completely: {fault}; the incomplete backup is \
                     saved as {name}"
                )
            }
        }
    }

    /// What to do about it.
    fn advice(&self) -> &'static str {
        match self {
            Self::Archive(fault) => fault.advice(),
            Self::Sending(SendError::Refused(verdict))
                if verdict.errno() == Some(Errno::EXIST.raw_os_error()) =>
            {
                "move or rename it there, or send only the rest, selected by the beginning of the \
                 names; with the receiver's --on-conflict=rename, or ON_CONFLICT=rename in \
                 /rw/config/filecopy.conf of its qube (see filecopy.conf(5)), files whose name already exists there get \
                 a new name automatically"
            }
            Self::Sending(SendError::Refused(_)) => {
                "find out why the receiver refuses it, or restore only the rest, selected by the \
                 beginning of the names"
            }
            Self::Sending(_) => "the files that arrived may be incomplete; run the command again",
            Self::Open(..) => "check the path, and that it may be read",
            Self::StdinIsTheReceivers => {
                "name the archive, or read it from a pipe: /bin/sh -c 'COMMAND | tar2qfile -'"
            }
            Self::Request(_) | Self::NothingAsked => {
                "this is started by qrexec; the first line is a path or a command"
            }
            Self::Quotes(_) => "quote the words as for a shell",
            Self::Folder(_) => "name the archive in it",
            Self::NotThere(_) => {
                "check the spelling; no shell is run, so ~, * and $ are not expanded"
            }
            Self::Run(..) => "check that it may be run",
            Self::Command(..) | Self::StoppedReading(_) => "see its messages above",
            Self::Store(..) => "check that the folder may be written to",
            Self::Write(_) => {
                "make room, or choose another folder; the part that was written has been removed"
            }
            Self::NotWhole(..) => "do not rely on it; make the backup again",
        }
    }

    /// What an error of running `word` stands for.
    pub(crate) fn running(word: &[u8], error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => Self::NotThere(word.to_vec()),
            _ => Self::Run(word.to_vec(), error),
        }
    }
}

/// A pipe is read while the receiver is listened to, so an error of reading may be a reason to stop.
impl From<ArchiveError> for Error {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Read(error) => match error.downcast() {
                Ok(stop) => Self::Sending(SendError::from_stream(Stop::into(stop))),
                Err(error) => Self::Archive(ArchiveError::Read(error)),
            },
            error => Self::Archive(error),
        }
    }
}

impl From<SendError> for Error {
    fn from(failure: SendError) -> Self {
        Self::Sending(failure)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(format_args!("Fatal error: {}", error.message())).advise(error.advice())
    }
}
