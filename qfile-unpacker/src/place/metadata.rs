//! Mode and times of what lands, which not every file system takes (vfat, NTFS, most of FUSE).
//!
//! Where the owner can use what arrived, the copy goes on, and the log says what could not be set.
//! What the owner cannot use is refused, because `qvm-move` deletes what was confirmed. A file system
//! may also accept a mode and do nothing, so the mode is read back.

use std::os::fd::AsFd;

use nix::fcntl::AtFlags;
use nix::unistd::{faccessat, AccessFlags};
use qfile_proto::{Entry, Refusal, Timestamp};
use rustix::fs::{fchmod, futimens, Mode, Timespec, Timestamps};
use rustix::io::Errno;

use super::errno::refusal;
use super::leftover;

/// What of an entry's metadata could not be set, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NotSet {
    /// The mode.
    pub(crate) mode: Option<Errno>,
    /// The times.
    pub(crate) times: Option<Errno>,
}

/// Sets the mode.
pub(super) fn set_mode(file: impl AsFd, mode: Mode) -> Result<Option<Errno>, Refusal> {
    tolerate(fchmod(file, mode))
}

/// Sets the times.
pub(super) fn set_times(file: impl AsFd, entry: &Entry) -> Result<Option<Errno>, Refusal> {
    tolerate(futimens(file, &times(entry)))
}

/// Which errors tell of more than metadata depends on no file system: a FUSE daemon answers what it
/// likes when it does not take a mode or a time.
pub(super) fn tolerate(result: Result<(), Errno>) -> Result<Option<Errno>, Refusal> {
    match result {
        Ok(()) => Ok(None),
        Err(
            errno @ (Errno::IO
            | Errno::NOSPC
            | Errno::DQUOT
            | Errno::ROFS
            | Errno::NOMEM
            | Errno::STALE
            | Errno::NOTCONN
            | Errno::TIMEDOUT
            | Errno::NODEV
            | Errno::NXIO),
        ) => Err(refusal(errno)),
        Err(errno) => Ok(Some(errno)),
    }
}

/// What the owner of a file must be able to do.
pub(super) const READ: Mode = Mode::RUSR;

/// What the owner of a folder must be able to do.
pub(super) const LIST_AND_ENTER: Mode = Mode::RUSR.union(Mode::XUSR);

/// Refuses what has the mode `is` if the owner cannot do with it what they `need`, as far as the
/// mode that was `sent` allows it. `reason` is why the mode could not be set.
///
/// # Errors
/// [`Refusal::Unusable`].
pub(super) fn check_mode(
    is: Mode,
    sent: Mode,
    need: Mode,
    reason: Option<Errno>,
) -> Result<(), Refusal> {
    match is.contains(need & sent) {
        true => Ok(()),
        // A file system that pretended to set the mode has given no reason.
        false => Err(unusable(reason.unwrap_or(Errno::ACCESS))),
    }
}

/// The same, asked of the kernel: it may be a file of somebody else's, whatever its mode.
///
/// # Errors
/// [`Refusal::Unusable`].
pub(super) fn check_access(file: impl AsFd, sent: Mode, need: Mode) -> Result<(), Refusal> {
    let mut wanted = AccessFlags::empty();
    wanted.set(AccessFlags::R_OK, (need & sent).contains(Mode::RUSR));
    wanted.set(AccessFlags::X_OK, (need & sent).contains(Mode::XUSR));
    if wanted.is_empty() {
        return Ok(());
    }
    match faccessat(file, "", wanted, AtFlags::AT_EMPTY_PATH) {
        Err(errno @ (nix::Error::EACCES | nix::Error::EPERM)) => {
            Err(Refusal::Unusable(errno as i32))
        }
        // Before Linux 5.8 a descriptor cannot be asked about; what the mode says has to do.
        _ => Ok(()),
    }
}

fn unusable(errno: Errno) -> Refusal {
    Refusal::Unusable(errno.raw_os_error())
}

/// The times of the entry.
pub(super) fn times(entry: &Entry) -> Timestamps {
    let timespec = |time: Timestamp| Timespec {
        tv_sec: time.seconds.into(),
        tv_nsec: time.nanoseconds.into(),
    };
    Timestamps {
        last_access: timespec(leftover::unmarked(entry.atime)),
        last_modification: timespec(entry.mtime),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_sender_let_the_owner_do_is_needed() {
        let mode = |bits| Mode::from_bits_truncate(bits);
        let check = |is, sent, need| check_mode(mode(is), mode(sent), need, Some(Errno::PERM));
        let unusable = Err(Refusal::Unusable(libc::EPERM));
        assert_eq!(check(0o200, 0o644, READ), unusable);
        assert_eq!(check(0o044, 0o644, READ), unusable);
        assert_eq!(check(0o600, 0o644, READ), Ok(()));
        assert_eq!(check(0o200, 0o200, READ), Ok(()));
        assert_eq!(check(0o600, 0o755, LIST_AND_ENTER), unusable);
        assert_eq!(check(0o300, 0o755, LIST_AND_ENTER), unusable);
        assert_eq!(check(0o700, 0o755, LIST_AND_ENTER), Ok(()));
        assert_eq!(check(0o000, 0o000, LIST_AND_ENTER), Ok(()));
    }

    #[test]
    fn a_mode_that_was_only_pretended_to_be_set_is_no_access() {
        let result = check_mode(Mode::WUSR, Mode::RUSR, READ, None);
        assert_eq!(result, Err(Refusal::Unusable(libc::EACCES)));
    }

    #[test]
    fn a_disk_that_fails_is_more_than_metadata() {
        for errno in [Errno::PERM, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL] {
            assert_eq!(tolerate(Err(errno)), Ok(Some(errno)));
        }
        for errno in [Errno::IO, Errno::NOSPC, Errno::ROFS] {
            let refused = Err(Refusal::System(errno.raw_os_error()));
            assert_eq!(tolerate(Err(errno)), refused);
        }
    }
}
