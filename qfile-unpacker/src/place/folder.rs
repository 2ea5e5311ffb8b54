//! A folder that lands: made for its owner only, and given its own mode and times when all that is in
//! it has landed.

use qfile_proto::{Entry, Refusal, SafeName};
use rustix::fs::{fstat, mkdirat, statat, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::destination::Destination;
use super::errno::refusal;
use super::metadata::{self, NotSet, LIST_AND_ENTER};
use super::root::Root;

/// Makes the folder. True if it is new, false if a folder is there.
///
/// # Errors
/// [`Refusal::AlreadyExists`] if something else is there.
pub(crate) fn create(destination: &Destination<'_>) -> Result<bool, Refusal> {
    match mkdirat(destination.dir(), destination.path(), Mode::RWXU) {
        Ok(()) => check_new(destination).map(|()| true),
        Err(Errno::EXIST) => match destination.existing()? {
            Some(FileType::Directory) => Ok(false),
            _ => Err(Refusal::AlreadyExists),
        },
        Err(errno) => Err(refusal(errno)),
    }
}

/// A file system may give every folder a mode of its own.
fn check_new(destination: &Destination<'_>) -> Result<(), Refusal> {
    let (dir, path) = (destination.dir(), destination.path());
    let stat = statat(dir, path, AtFlags::SYMLINK_NOFOLLOW).map_err(refusal)?;
    let is = Mode::from_raw_mode(stat.st_mode);
    metadata::check_mode(is, Mode::RWXU, LIST_AND_ENTER, None)
}

/// Gives a folder that this transfer created the mode and times of its second header.
///
/// # Errors
/// Among others [`Refusal::Unusable`] if its owner could not list or enter it.
pub(crate) fn finish(root: &Root, name: SafeName<'_>, entry: &Entry) -> Result<NotSet, Refusal> {
    let sent = Mode::from_bits_truncate(entry.permissions);
    let folder = root.open_folder(name, OFlags::RDONLY).map_err(refusal)?;
    let not_set = NotSet {
        mode: metadata::set_mode(&folder, sent)?,
        times: metadata::set_times(&folder, entry)?,
    };
    let is = Mode::from_raw_mode(fstat(&folder).map_err(refusal)?.st_mode);
    metadata::check_mode(is, sent, LIST_AND_ENTER, not_set.mode)?;
    metadata::check_access(&folder, sent, LIST_AND_ENTER)?;
    Ok(not_set)
}
