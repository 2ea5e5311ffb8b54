//! The jail is tried before anything is received in it.

use std::io;
use std::os::fd::OwnedFd;

use files::FileId;
use nix::errno::Errno;
use rustix::fs::{fstat, openat, Mode, OFlags, CWD};

use super::seccomp::PROBE_ERRNO;
use crate::error::Error;

/// For reading a folder; `O_NOFOLLOW` because seccomp lets no other `openat` through.
const READ: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A descriptor of the world outside, to see that it opens nothing from inside. It is gone before
/// the first byte of the stream is read.
#[derive(Debug)]
pub(super) struct Outside(OwnedFd);

impl Outside {
    /// Opens the root folder of the world outside. That it can be read now is what makes it a test
    /// that it cannot be read later.
    pub(super) fn open() -> Result<Self, Error> {
        let open = || -> io::Result<OwnedFd> {
            let outside = openat(CWD, "/", READ | OFlags::PATH, Mode::empty())?;
            openat(&outside, ".", READ, Mode::empty())?;
            Ok(outside)
        };
        open()
            .map(Self)
            .map_err(|error| Error::Jail("open the root folder", error))
    }
}

/// Fails if something is possible that the jail should forbid.
pub(super) fn run(
    outside: Outside,
    root: &OwnedFd,
    has_namespaces: bool,
    landlock: bool,
) -> Result<(), Error> {
    // Landlock: a folder outside cannot be read even with a descriptor of it.
    if landlock && openat(&outside.0, ".", READ, Mode::empty()).is_ok() {
        return Err(Error::SelfTest("a folder outside can be opened"));
    }
    drop(outside);
    // Namespaces: there is nothing above.
    if has_namespaces && !is_own_parent(root).unwrap_or(false) {
        return Err(Error::SelfTest(
            "there is something above the incoming folder",
        ));
    }
    // Seccomp: the probe call does not reach the kernel.
    match nix::unistd::getsid(None) {
        Err(errno) if errno == Errno::from_raw(PROBE_ERRNO) => Ok(()),
        _ => Err(Error::SelfTest("a forbidden system call is possible")),
    }
}

fn is_own_parent(root: &OwnedFd) -> io::Result<bool> {
    let parent = openat(root, "..", READ | OFlags::PATH, Mode::empty())?;
    let (own, above) = (fstat(root)?, fstat(parent)?);
    Ok(FileId::from(&own) == FileId::from(&above))
}
