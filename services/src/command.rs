//! A command that was asked for in a line of text: split as a shell splits words, run without one.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use transfer::Receiver;
use transfer::SendError;

use crate::{ArchiveError, Error};

/// How long a command that has written all may take to end.
const PATIENCE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// The words of a command, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    program: Vec<u8>,
    arguments: Vec<Vec<u8>>,
}

/// A running command that writes an archive.
#[derive(Debug)]
pub struct Writer {
    words: Words,
    child: Child,
    ending: OwnedFd,
}

/// A running command that reads a backup.
#[derive(Debug)]
pub struct Reader {
    words: Words,
    child: Child,
    /// Where it reads from.
    pub pipe: ChildStdin,
}

impl Words {
    /// Splits `line`. Quotation marks and backslashes keep words together; nothing is expanded.
    ///
    /// # Errors
    /// [`Error::Quotes`], [`Error::NothingAsked`].
    pub fn split(line: &[u8]) -> Result<Self, Error> {
        let words = shlex::bytes::split(line).ok_or_else(|| Error::Quotes(line.to_vec()))?;
        let mut words = words.into_iter();
        Ok(Self {
            program: words.next().ok_or(Error::NothingAsked)?,
            arguments: words.collect(),
        })
    }

    /// The first of them.
    #[must_use]
    pub fn program(&self) -> &[u8] {
        &self.program
    }

    fn command(&self) -> Command {
        let mut command = Command::new(OsStr::from_bytes(&self.program));
        command.args(self.arguments.iter().map(|word| OsStr::from_bytes(word)));
        // What it starts is ended with it.
        command.process_group(0);
        command
    }
}

impl Writer {
    /// Runs a command, and gives what it writes. It reads nothing.
    ///
    /// # Errors
    /// [`Error::NotThere`], [`Error::Run`].
    pub fn start(words: Words) -> Result<(Self, File), Error> {
        let start = || {
            let mut command = words.command();
            command.stdin(Stdio::null()).stdout(Stdio::piped());
            let mut child = command.spawn()?;
            let ending = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
            let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
            Ok((child, ending, OwnedFd::from(output)))
        };
        let (child, ending, output) =
            start().map_err(|error| Error::running(words.program(), error))?;
        let writer = Self {
            words,
            child,
            ending,
        };
        Ok((writer, output.into()))
    }

    /// Waits until the command has ended, unless the receiver has something to say before that. What
    /// it wrote is worth nothing if it failed: it may have found out at the end that it is forged.
    ///
    /// # Errors
    /// [`Error::Command`]; [`Error::Sending`].
    pub fn wait(&mut self, receiver: &Receiver) -> Result<(), Error> {
        let failed = |error| Error::Run(self.words.program.clone(), error);
        loop {
            match self.child.try_wait().map_err(failed)? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(Error::Command(self.words.program.clone(), status));
                }
                None => receiver
                    .wait_for_input(self.ending.as_fd())
                    .map_err(SendError::from_stream)?,
            }
        }
    }

    /// What `failure` was really: an archive that ends early, or is none, is what a command leaves
    /// that failed.
    #[must_use]
    pub fn blame(&mut self, failure: Error) -> Error {
        let Error::Archive(ArchiveError::Cut(_) | ArchiveError::NotAnArchive(None)) = failure
        else {
            return failure;
        };
        // It has closed its end of the pipe, and is about to end if it was not a part of it only.
        let mut ending = [PollFd::new(&self.ending, PollFlags::IN)];
        let _ends_or_not = poll(&mut ending, Some(&PATIENCE));
        match self.child.try_wait() {
            Ok(Some(status)) if !status.success() => {
                Error::Command(self.words.program.clone(), status)
            }
            _ => failure,
        }
    }

    /// Ends the command if it still runs; nobody waits for it any more.
    pub fn end(mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _has_just_ended = kill_process_group(Pid::from_child(&self.child), Signal::TERM);
        }
    }
}

impl Reader {
    /// Runs a command that reads from a pipe. Its stdout is not the service's, for that is the
    /// answer to another qube, but goes where messages go.
    ///
    /// # Errors
    /// [`Error::NotThere`], [`Error::Run`].
    pub fn start(words: Words) -> Result<Self, Error> {
        let start = || {
            let messages = io::stderr().as_fd().try_clone_to_owned()?;
            let mut command = words.command();
            command.stdin(Stdio::piped()).stdout(messages);
            let mut child = command.spawn()?;
            let pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
            Ok((child, pipe))
        };
        let (child, pipe) = start().map_err(|error| Error::running(words.program(), error))?;
        Ok(Self { words, child, pipe })
    }

    /// Tells the command that this was all, and waits for it.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn finish(self) -> Result<(), Error> {
        let Self {
            words,
            mut child,
            pipe,
        } = self;
        drop(pipe);
        match child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Error::Command(words.program, status)),
            Err(error) => Err(Error::Run(words.program, error)),
        }
    }

    /// Kills the command before it reads the end of its input, so that it does not treat incomplete
    /// input as complete.
    pub fn abandon(mut self, failure: Error) -> Error {
        let _has_ended = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _reaped = self.child.wait();
        match failure {
            Error::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Error::StoppedReading(self.words.program)
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Option<Vec<String>> {
        let words = Words::split(line.as_bytes()).ok()?;
        let all = std::iter::once(words.program).chain(words.arguments);
        Some(all.map(|word| String::from_utf8(word).unwrap()).collect())
    }

    #[test]
    fn words_are_split_and_nothing_is_expanded() {
        for (line, words) in [
            ("cat a b", &["cat", "a", "b"][..]),
            (
                "  cat\t'a b'  \"c d\" e\\ f ",
                &["cat", "a b", "c d", "e f"],
            ),
            (
                "echo $HOME `id` $(id) *",
                &["echo", "$HOME", "`id`", "$(id)", "*"],
            ),
            ("echo \"$HOME\" a;b|c>d&", &["echo", "$HOME", "a;b|c>d&"]),
            (
                "ssh host \"cat 'my backup'\"",
                &["ssh", "host", "cat 'my backup'"],
            ),
            ("a '' b", &["a", "", "b"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn a_line_that_is_no_command_is_refused() {
        for line in ["", "   ", "cat 'a", "cat \"a", "cat a\\"] {
            assert_eq!(split(line), None, "{line:?}");
        }
    }
}
