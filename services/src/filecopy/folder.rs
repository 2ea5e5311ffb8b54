//! The incoming folder of a copy that failed.

use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, statat, unlinkat};

/// An incoming folder that the receiver created for this copy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Created {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl Created {
    pub(super) fn new(path: PathBuf, id: (u64, u64)) -> Self {
        Self { path, id }
    }
}

/// Removes the folder if it is empty, is still the one that was created, and no other copy from the
/// same qube runs. `lock` is the lock that each of these copies holds, too.
///
/// The kernel refuses to remove a folder with anything in it, however late that came.
pub(super) fn remove_if_unused(lock: impl AsFd, created: &Created) {
    // A copy that begins now waits for this lock, and then creates the folder anew.
    if flock(lock.as_fd(), FlockOperation::NonBlockingLockExclusive).is_err() {
        return;
    }
    let (Some(parent), Some(name)) = (created.path.parent(), created.path.file_name()) else {
        return;
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(parent) = openat(rustix::fs::CWD, parent, flags, Mode::empty()) else {
        return;
    };
    let is_the_same = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == created.id);
    if is_the_same {
        let _it_is_not_empty = unlinkat(&parent, name, AtFlags::REMOVEDIR);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::Path;

    use super::*;

    fn created(path: &Path) -> Created {
        let metadata = fs::metadata(path).unwrap();
        Created::new(path.to_owned(), (metadata.dev(), metadata.ino()))
    }

    #[test]
    fn only_the_folder_that_was_created_and_is_empty_goes() {
        let home = tempfile::tempdir().unwrap();
        let lock = File::create(home.path().join("lock")).unwrap();
        let folder = home.path().join("work");
        fs::create_dir(&folder).unwrap();

        fs::write(folder.join("file"), "").unwrap();
        remove_if_unused(&lock, &created(&folder));
        assert!(folder.join("file").exists());

        fs::remove_file(folder.join("file")).unwrap();
        let mut another = created(&folder);
        another.id.1 += 1;
        remove_if_unused(&lock, &another);
        assert!(folder.exists());

        let link = home.path().join("link");
        symlink(&folder, &link).unwrap();
        remove_if_unused(&lock, &created(&link));
        assert!(folder.exists() && link.exists());

        remove_if_unused(&lock, &created(&folder));
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_that_another_copy_uses_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        let [ours, theirs] = [(); 2].map(|()| File::create(&path).unwrap());
        let folder = home.path().join("work");
        fs::create_dir(&folder).unwrap();
        for lock in [&ours, &theirs] {
            flock(lock, FlockOperation::LockShared).unwrap();
        }
        remove_if_unused(&ours, &created(&folder));
        assert!(folder.exists());
        drop(theirs);
        remove_if_unused(&ours, &created(&folder));
        assert!(!folder.exists());
    }
}
