//! Steps 1 and 2: what a hostile caller of a set-uid program can hand down is put away before
//! anything else happens: descriptors, signals, limits, umask, environment.

use std::ffi::OsString;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use nix::sys::signal::{SigSet, Signal};
use rustix::fs::{fcntl_getfl, fcntl_setfl, fstat, FileType, Mode, OFlags};
use rustix::process::{getegid, geteuid, getgid, getuid, Resource, Rlimit};
use rustix::stdio;

use crate::profile::UpdateLimits;
use crate::Error;

/// Step 1: closes every descriptor above 2, sees to those that stay, lets every signal in but one,
/// and leaves no core file.
///
/// That one is `SIGXFSZ`, which would end the program at a file that grows beyond the limit on its
/// size; blocked, the write fails with `EFBIG` and the sender is told. Where the limit may be raised,
/// it is.
///
/// That descriptors 0 to 2 are open and `SIGPIPE` is ignored is the doing of Rust's runtime, before
/// `main`. A signal that the caller *ignores* stays ignored: no safe call can change that, and
/// nobody but the caller loses by it.
///
/// # Errors
/// [`Error::Descriptors`], [`Error::Folder`], [`Error::Limits`].
pub fn shut_out_the_caller() -> Result<(), Error> {
    close_all_but_the_standard_ones().map_err(Error::Descriptors)?;
    for stream in [stdio::stdin(), stdio::stdout(), stdio::stderr()] {
        judge_standard(stream)?;
    }
    SigSet::from(Signal::SIGXFSZ)
        .thread_set_mask()
        .map_err(|errno| Error::Limits(errno.into()))?;
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Fsize);
    let as_far_as_may_be = Rlimit {
        current: maximum,
        maximum,
    };
    rustix::process::setrlimit(Resource::Fsize, as_far_as_may_be)
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

/// A folder there would be a way out of the jail. One that does not block is made to: whoever reads
/// and writes here waits.
fn judge_standard(stream: BorrowedFd<'_>) -> Result<(), Error> {
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

/// Closes every descriptor above 2.
///
/// # Errors
/// Those of listing them.
pub(crate) fn close_all_but_the_standard_ones() -> io::Result<()> {
    let listed: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in listed {
        // EBADF for the descriptor of the listing itself, which is closed by now.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// The variables that the program looks at. Nothing in them has been judged.
#[derive(Debug, Default)]
pub struct Environment {
    /// `QREXEC_REMOTE_DOMAIN`: the qube that calls, as dom0 says.
    pub untrusted_remote_domain: Option<OsString>,
    /// `HOME`.
    pub untrusted_home: Option<OsString>,
    /// Limits for the profile of dom0; none where the program has other rights than its caller.
    pub limits: UpdateLimits,
}

/// Step 2: reads the permitted variables, then clears the environment, before the C library looks
/// at any of it for the password database.
#[must_use]
pub fn take_environment() -> Environment {
    let mut taken = Environment {
        untrusted_remote_domain: std::env::var_os("QREXEC_REMOTE_DOMAIN"),
        untrusted_home: std::env::var_os("HOME"),
        limits: UpdateLimits::default(),
    };
    if getuid() == geteuid() && getgid() == getegid() {
        taken.limits.untrusted_bytes = std::env::var_os("UPDATES_MAX_BYTES");
        taken.limits.untrusted_files = std::env::var_os("UPDATES_MAX_FILES");
    }
    for (name, _) in std::env::vars_os() {
        // A name like `=x` cannot be removed (trying to is a panic), nor can anything ask for it.
        if !name.is_empty() && !name.as_bytes().contains(&b'=') {
            std::env::remove_var(name);
        }
    }
    taken
}
