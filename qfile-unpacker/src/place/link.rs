//! A symbolic link that lands.

use qfile_proto::{Entry, Refusal, SafeTarget};
use rustix::fs::{readlinkat, statat, symlinkat, utimensat, AtFlags};
use rustix::io::Errno;

use super::destination::Destination;
use super::errno::refusal;
use super::metadata::{self, NotSet};

/// Makes the link, with the times of its entry.
///
/// # Errors
/// [`Refusal::AlreadyExists`] if anything is there.
pub(crate) fn create(
    destination: &Destination<'_>,
    target: SafeTarget<'_>,
    entry: &Entry,
) -> Result<NotSet, Refusal> {
    let (dir, path) = (destination.dir(), destination.path());
    symlinkat(target.as_bytes(), dir, path).map_err(refusal)?;
    let times = metadata::times(entry);
    let times = metadata::tolerate(utimensat(dir, path, &times, AtFlags::SYMLINK_NOFOLLOW))?;
    if times == Some(Errno::NOENT) {
        // Either the file system follows links to their targets, or the link has been removed.
        statat(dir, path, AtFlags::SYMLINK_NOFOLLOW).map_err(refusal)?;
    }
    Ok(NotSet { mode: None, times })
}

/// Accepts that a link with this very target is there.
///
/// # Errors
/// [`Refusal::AlreadyExists`] if it is anything else.
pub(crate) fn accept_existing(
    destination: &Destination<'_>,
    target: SafeTarget<'_>,
) -> Result<(), Refusal> {
    match readlinkat(destination.dir(), destination.path(), Vec::new()) {
        Ok(there) if there.as_bytes() == target.as_bytes() => Ok(()),
        _ => Err(Refusal::AlreadyExists),
    }
}
