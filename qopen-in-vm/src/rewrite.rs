//! A file with several hard links is rewritten in place, so that its other names see the edit; so is
//! one whose name can be given to no other file: a mount point, or a file in a folder that may not be
//! written.
//!
//! That takes a moment in which the file is neither old nor new. A durable backup beside it is
//! whole all that time.

use std::fs::File;
use std::io;

use files::{NotOpened, Stat};
use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::{Errno, retry_on_intr};

use crate::attributes::Attributes;
use crate::keep::{backup_copy, copy_content};
use crate::original::Original;
use crate::replace::{NotReplaced, Replaced};
use crate::temporary::{Temporary, sync};

/// Writes the content of `answer` into the original.
pub(crate) fn rewrite(original: &Original, answer: &File) -> Result<Replaced, NotReplaced> {
    let attributes = Attributes::of(original.file())?;
    let opened = original.folder().open_file(original.name(), OFlags::WRONLY);
    let target = match opened {
        Ok((target, _)) => target,
        Err(NotOpened::NotRegular) => return Err(NotReplaced::Changed),
        Err(NotOpened::System(errno)) => return Err(io::Error::from(errno).into()),
    };
    let backup = backup_copy(original, &attributes)?;
    if Stat::fresh(&target).map_err(io::Error::from)?.state != original.stat().state {
        return Err(NotReplaced::Changed);
    }
    let rewritten = overwrite(&target, answer, backup);
    // Writing takes set-ID bits and capabilities away, also when it fails.
    let lost = attributes.give_to(&target);
    if rewritten.is_err() && !lost.is_empty() {
        tracing::warn!(?lost, "the original lacks something");
    }
    Ok(Replaced {
        copy: Some(rewritten?),
        lost,
        unsynced: None,
    })
}

/// Makes the content of `target` that of `answer`, or again that of `backup`, which is given back.
fn overwrite(target: &File, answer: &File, backup: Temporary) -> Result<Temporary, NotReplaced> {
    reserve(target, answer.metadata()?.len())?;
    match write_over(answer, target) {
        Ok(()) => Ok(backup),
        Err(error) => Err(match write_over(backup.file(), target) {
            Ok(()) => NotReplaced::Failed(error),
            Err(_) => NotReplaced::Damaged(backup, error),
        }),
    }
}

/// Has room for `len` bytes, so that a full disk is noticed before anything is overwritten.
fn reserve(target: &File, len: u64) -> io::Result<()> {
    let reserved = retry_on_intr(|| fallocate(target, FallocateFlags::KEEP_SIZE, 0, len.max(1)));
    match reserved {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::NODEV) => Ok(()),
        result => Ok(result?),
    }
}

fn write_over(from: &File, to: &File) -> io::Result<()> {
    to.set_len(copy_content(from, to)?)?;
    sync(to)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_rewrite_that_fails_puts_the_old_content_back() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, "old").unwrap();
        fs::hard_link(&path, home.path().join("other")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o6711)).unwrap();
        let original = Original::open(&path).unwrap();
        // It can be measured but not read.
        fs::write(home.path().join("answer"), "edited").unwrap();
        let unreadable = File::options()
            .write(true)
            .open(home.path().join("answer"))
            .unwrap();
        let result = rewrite(&original, &unreadable);
        assert!(matches!(result, Err(NotReplaced::Failed(_))), "{result:?}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let mode = fs::metadata(&path).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o6711);
        assert!(!home.path().join("file~").exists());
    }

    #[test]
    fn while_it_is_rewritten_there_is_a_backup() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, "old and longer").unwrap();
        fs::hard_link(&path, home.path().join("other")).unwrap();
        let original = Original::open(&path).unwrap();
        let answer = home.path().join("answer");
        fs::write(&answer, "edited").unwrap();
        let replaced = rewrite(&original, &File::open(answer).unwrap()).unwrap();
        assert_eq!(fs::read(home.path().join("other")).unwrap(), b"edited");
        let backup = home.path().join("file~");
        assert_eq!(fs::read(&backup).unwrap(), b"old and longer");
        drop(replaced);
        assert!(!backup.exists());
    }
}
