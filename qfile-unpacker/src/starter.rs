//! What the program that started this one is told, through the pipe of `--report-fd`.
//!
//! It shows the user that a copy arrived and removes an incoming folder that stayed empty. It runs
//! with the rights of the user, and does nothing that the user could not do. The pipe is no way out
//! of the jail: it can only be written to.

use std::ffi::OsString;
use std::iter::Peekable;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use qfile_proto::CopyReport;
use rustix::fs::{fcntl_getfl, fcntl_setfl, fstat, FileType, OFlags};
use rustix::process::{getpid, pidfd_getfd, pidfd_open, PidfdFlags, PidfdGetfdFlags};

use crate::error::Error;
use crate::incoming::Incoming;
use crate::options::number;

const OPTION: &[u8] = b"--report-fd=";

/// The pipe of `--report-fd=N`, if that is the first argument, before all other descriptors are
/// closed.
///
/// # Errors
/// [`Error::Usage`] for whatever is not the writing end of a pipe. A folder would be a way out of the
/// jail, and a file or a socket belongs to somebody who does not expect this.
pub(crate) fn take_pipe(
    arguments: &mut Peekable<impl Iterator<Item = OsString>>,
) -> Result<Option<OwnedFd>, Error> {
    let Some(first) = arguments.next_if(|first| first.as_bytes().starts_with(OPTION)) else {
        return Ok(None);
    };
    let shown = &first.as_bytes()[OPTION.len()..];
    let refused = || Error::usage("--report-fd must be the writing end of a pipe", shown);
    let inherited = number(shown).and_then(|number| RawFd::try_from(number).ok());
    // Descriptors 0 to 2 are the protocol's.
    let inherited = inherited.filter(|number| *number > 2).ok_or_else(refused)?;
    let pipe = duplicate(inherited).map_err(|_| refused())?;
    let is_pipe =
        fstat(&pipe).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
    let flags = fcntl_getfl(&pipe).map_err(|_| refused())?;
    if !is_pipe || flags & OFlags::ACCMODE != OFlags::WRONLY || flags.contains(OFlags::PATH) {
        return Err(refused());
    }
    // A starter that does not read must not delay the verdict.
    fcntl_setfl(&pipe, flags | OFlags::NONBLOCK).map_err(|_| refused())?;
    Ok(Some(pipe))
}

/// An owned duplicate. Opening `/proc/self/fd/N` instead would open a file anew, with root's rights.
fn duplicate(number: RawFd) -> rustix::io::Result<OwnedFd> {
    let this_process = pidfd_open(getpid(), PidfdFlags::empty())?;
    pidfd_getfd(this_process, number, PidfdGetfdFlags::empty())
}

/// The record for the beginning of a copy.
pub(crate) fn started(incoming: &Incoming, notify: bool) -> CopyReport {
    let id = || {
        let stat = fstat(&incoming.dir).ok()?;
        Some((stat.st_dev, stat.st_ino))
    };
    CopyReport::Started {
        notify,
        created: incoming.is_new.then(id).flatten(),
        folder: incoming.path.as_os_str().as_bytes().to_vec(),
    }
}

/// The program that started this one, if it wants to be told.
#[derive(Debug)]
pub(crate) struct Starter {
    pipe: Option<OwnedFd>,
}

impl Starter {
    pub(crate) fn new(pipe: Option<OwnedFd>) -> Self {
        Self { pipe }
    }

    pub(crate) fn tell(&self, report: &CopyReport) {
        if let Some(pipe) = &self.pipe {
            // A starter that is gone, or does not read, costs nothing.
            let _ = rustix::io::write(pipe, &report.encode());
        }
    }
}
