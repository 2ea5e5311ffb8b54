//! What a killed transfer leaves behind where files cannot be created without a name: one incomplete
//! file under its name.
//!
//! A mark that no complete file bears tells it from a file of the user's, and from one that a transfer
//! has confirmed: its mode, and a time of access that writing leaves alone. Another transfer may be
//! filling such a file at this moment; it holds a lock for as long as it does. The mode lets the owner
//! open the file for that lock: a change of the mode beforehand could come after the end of that
//! transfer. Where the file system does not keep the mark, a leftover stays.

use std::os::fd::{AsFd, BorrowedFd};

use files::FileId;
use qfile_proto::Timestamp;
use rustix::fs::{
    flock, fstat, futimens, unlinkat, AtFlags, FileType, FlockOperation, Mode, OFlags, Stat,
    Timespec, Timestamps, UTIME_OMIT,
};
use rustix::io::Result;

use super::root::Root;

/// The mode of an incomplete file: nobody reads it.
pub(super) const INCOMPLETE: Mode = Mode::WUSR;

/// The second in which an incomplete file was accessed: "qfil", in 2030.
const MARK: u32 = 0x7166_696C;

/// Marks the file as incomplete.
pub(super) fn mark(file: impl AsFd) -> Result<()> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: MARK.into(),
            tv_nsec: 0,
        },
        last_modification: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
    };
    futimens(file, &times)
}

/// The time of access that a complete file gets: not the mark, whatever its header says.
pub(super) fn unmarked(atime: Timestamp) -> Timestamp {
    let seconds = match atime.seconds {
        MARK => MARK + 1,
        other => other,
    };
    Timestamp { seconds, ..atime }
}

/// Removes what is at `path`, as `seen` describes it, if it is a leftover. True if it was.
pub(super) fn remove(root: &Root, dir: BorrowedFd<'_>, path: &[u8], seen: &Stat) -> bool {
    !root.has_nameless_files()
        && is_marked(seen)
        && try_to_remove(root, dir, path, seen).unwrap_or(false)
}

pub(super) fn is_marked(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && Mode::from_raw_mode(stat.st_mode) == INCOMPLETE
        && (stat.st_atime, stat.st_atime_nsec) == (MARK.into(), 0)
        && stat.st_nlink == 1
}

fn try_to_remove(root: &Root, dir: BorrowedFd<'_>, path: &[u8], seen: &Stat) -> Result<bool> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK;
    let file = root.open(dir, path, flags, Mode::empty())?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    // Before the lock was had, it may have been completed, or replaced.
    let now = fstat(&file)?;
    if FileId::from(&now) != FileId::from(seen) || !is_marked(&now) {
        return Ok(false);
    }
    unlinkat(dir, path, AtFlags::empty())?;
    Ok(true)
}
