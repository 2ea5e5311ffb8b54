//! What a hostile caller of a set-uid program can hand down is reset before anything else happens:
//! descriptors, signals, limits, umask.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::sys::signal::{SigSet, Signal};
use rustix::fs::{fcntl_getfl, fcntl_setfl, fstat, FileType, Mode, OFlags};
use rustix::process::{Resource, Rlimit};
use rustix::stdio;

use crate::error::Error;

/// Leaves nothing of the caller's but descriptors 0 to 2, the pipe `report`, and signals that are
/// ignored.
///
/// That those descriptors are open and `SIGPIPE` is ignored is the doing of Rust's runtime, before
/// `main`. A signal that the caller *ignores* stays ignored: no safe call can change that, and
/// nobody but the caller loses by it.
pub(crate) fn reset_inherited_state(report: Option<&OwnedFd>) -> Result<(), Error> {
    close_inherited_descriptors(report).map_err(Error::Descriptors)?;
    for stream in [stdio::stdin(), stdio::stdout(), stdio::stderr()] {
        check_standard_stream(stream)?;
    }
    // SIGXFSZ would end the program at a file that grows beyond the limit on its size; blocked, the
    // write fails with EFBIG and the sender is told.
    SigSet::from(Signal::SIGXFSZ)
        .thread_set_mask()
        .map_err(|errno| Error::Limits(errno.into()))?;
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Fsize);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    rustix::process::setrlimit(Resource::Fsize, raised)
        .map_err(|errno| Error::Limits(errno.into()))?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none)
        .map_err(|errno| Error::Limits(errno.into()))?;
    rustix::process::umask(Mode::empty());
    Ok(())
}

/// A folder would be a way out of the jail. A stream that does not block is made to block, because
/// reading and writing it waits.
fn check_standard_stream(stream: BorrowedFd<'_>) -> Result<(), Error> {
    let failed = |errno: rustix::io::Errno| Error::Descriptors(errno.into());
    let flags = fcntl_getfl(stream).map_err(failed)?;
    if flags.contains(OFlags::NONBLOCK) {
        fcntl_setfl(stream, flags - OFlags::NONBLOCK).map_err(failed)?;
    }
    let stat = fstat(stream).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Err(Error::Folder);
    }
    Ok(())
}

/// Closes every descriptor above 2 but the pipe `report`.
pub(crate) fn close_inherited_descriptors(report: Option<&OwnedFd>) -> io::Result<()> {
    let report = report.map(AsRawFd::as_raw_fd);
    let listed: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2 && Some(*number) != report)
        .collect();
    for number in listed {
        // EBADF for the descriptor of the listing itself, which is closed by now.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}
