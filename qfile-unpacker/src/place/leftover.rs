//! What a transfer leaves behind that is killed where files cannot be created without a name: one
//! regular file of mode 0000.
//!
//! Another transfer may be filling such a file at this moment. It holds a lock as long as it does,
//! so a leftover is a file of mode 0000 that nobody has locked.

use rustix::fs::{
    chmodat, flock, fstat, unlinkat, AtFlags, FileType, FlockOperation, Mode, OFlags, Stat,
};
use rustix::io::Result;

use super::Spot;

/// What the owner has to be allowed for opening the file in order to try its lock.
const OPENABLE: Mode = Mode::WUSR;

/// Removes what is at `spot`, as `stat` describes it, if it is a leftover. True if it was.
pub(super) fn remove(spot: &Spot<'_>, stat: &Stat) -> bool {
    // `chmodat` follows links, so it is used only where the kernel follows none.
    let may_look = !spot.root.has_nameless_files && spot.root.may_use_paths;
    let looks_left = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && Mode::from_raw_mode(stat.st_mode).is_empty();
    may_look && looks_left && try_to_remove(spot, stat).unwrap_or(false)
}

fn try_to_remove(spot: &Spot<'_>, seen: &Stat) -> Result<bool> {
    let (dir, path) = (spot.dir(), spot.path());
    // A transfer that is filling the file gives it its mode at the end, so this one is not put back:
    // that could come after the end.
    chmodat(dir, path, OPENABLE, AtFlags::empty())?;
    let file = spot
        .root
        .open(dir, path, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty())?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    let now = fstat(&file)?;
    let is_same = (now.st_dev, now.st_ino) == (seen.st_dev, seen.st_ino);
    if !is_same || Mode::from_raw_mode(now.st_mode) != OPENABLE {
        return Ok(false);
    }
    unlinkat(dir, path, AtFlags::empty())?;
    Ok(true)
}
