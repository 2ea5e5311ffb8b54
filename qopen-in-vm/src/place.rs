//! How the new content gets to the place of the original: by an exchange of names, or into the file
//! itself where its name cannot be exchanged, or must not be.

use std::io;

use rustix::io::Errno;

use crate::original::Original;
use crate::replace::{NotReplaced, Replaced, replace};
use crate::rewrite::rewrite;
use crate::temporary::Temporary;

/// Puts the content of `edited` in the place of the original, which has the attributes then that it
/// had. `edited` is in the folder of the original, unless that does not take it, for the reason
/// `why_elsewhere`. With `backup` the old content stays.
pub(crate) fn place(
    original: &Original,
    edited: &mut Temporary,
    why_elsewhere: Option<io::Error>,
    backup: bool,
) -> Result<Replaced, NotReplaced> {
    // Its other names are to see the edit, too.
    if original.stat().links > 1 {
        return rewrite(original, edited.file());
    }
    let why_not_replaced = match why_elsewhere {
        Some(error) => error,
        None => match replace(original, edited, backup) {
            Err(NotReplaced::Failed(error)) if is_refusal(&error) => error,
            result => return result,
        },
    };
    tracing::info!(%why_not_replaced, "it is rewritten");
    rewrite(original, edited.file()).map_err(|error| match error {
        NotReplaced::Failed(error) if error.kind() != why_not_replaced.kind() => {
            NotReplaced::Failed(io::Error::new(
                error.kind(),
                format!("{why_not_replaced}; it cannot be rewritten either: {error}"),
            ))
        }
        other => other,
    })
}

/// The file system, or who mounted it, does not allow it: another way may be allowed. What tells of
/// a disk that is full or fails is no refusal: such a disk is not to be written over.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    let refusals = [
        // The folder may not be written, is immutable, or is sticky and the file somebody else's.
        Errno::ACCESS,
        Errno::PERM,
        Errno::ROFS,
        // The file is a mount point, as a single file is that was mounted with --bind.
        Errno::BUSY,
        Errno::XDEV,
        // The file system does not know the call.
        Errno::INVAL,
        Errno::NOSYS,
        Errno::OPNOTSUPP,
        Errno::NOTTY,
        // Names cannot be had for other reasons: their number or their length.
        Errno::MLINK,
        Errno::NAMETOOLONG,
        // A file system in user space that renames over no file that is there.
        Errno::EXIST,
        Errno::TXTBSY,
    ];
    let number = error.raw_os_error();
    refusals
        .iter()
        .any(|errno| number == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_full_or_fails_refuses_nothing() {
        for errno in [
            Errno::IO,
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::STALE,
            Errno::NOMEM,
        ] {
            assert!(!is_refusal(&errno.into()), "{errno}");
        }
        assert!(!is_refusal(&io::ErrorKind::WriteZero.into()));
        for errno in [Errno::BUSY, Errno::ACCESS, Errno::ROFS] {
            assert!(is_refusal(&errno.into()), "{errno}");
        }
    }
}
