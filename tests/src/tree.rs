//! Making, comparing and removing trees of files, however deep.
//!
//! Everything here goes by descriptor, one folder at a time: a tree of 8,000 levels has paths that
//! no system call takes, and `remove_dir_all` runs out of descriptors in it.

mod snapshot;
mod walk;

use std::fs::Permissions;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::{AtFlags, CWD, Mode, Timespec, Timestamps, mkdirat, unlinkat, utimensat};

use crate::user::unmount_below;
use walk::{Moment, is_folder, open_folder, walk};

pub use snapshot::{Kind, Record, Snapshot};

/// A temporary folder that is removed with all that is in it, whatever its depth and modes.
#[derive(Debug)]
pub struct TempFolder(PathBuf);

impl TempFolder {
    /// A folder of this user alone.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("qfile-test-").tempdir();
        Self(folder.expect("a temporary folder").keep())
    }

    /// A folder that every user may enter and read.
    #[must_use]
    pub fn open_to_all() -> Self {
        let folder = Self::new();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
        folder
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A new folder in it.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.0.join(name);
        fs::create_dir_all(&folder).expect("the folder is ours");
        folder
    }
}

impl Default for TempFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        if remove(&self.0).is_err() {
            unmount_below(&self.0);
            // A test that has failed already is not to fail again over its leavings.
            let _ = remove(&self.0);
        }
    }
}

/// Sets mode and time of last modification (seconds, nanoseconds); a link has no mode to set.
pub fn set(path: &Path, mode: Option<u32>, mtime: (i64, u32)) {
    if let Some(mode) = mode {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    }
    let time = Timespec {
        tv_sec: mtime.0,
        tv_nsec: mtime.1.into(),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("it is ours");
}

/// Makes `levels` folders in each other below `folder`, all called `name`, and gives the
/// innermost.
#[must_use]
pub fn make_deep(folder: &Path, name: &str, levels: usize) -> OwnedFd {
    let mut here = open_folder(CWD, folder.as_os_str().as_bytes()).expect("the folder is there");
    for _ in 0..levels {
        mkdirat(&here, name, Mode::from_raw_mode(0o755)).expect("a folder can be made");
        here = open_folder(here.as_fd(), name.as_bytes()).expect("it has just been made");
    }
    here
}

/// Removes `folder` and all that is in it.
///
/// # Errors
/// What the system says about the first thing that cannot be removed.
pub fn remove(folder: &Path) -> io::Result<()> {
    // Whoever may not enter a folder of their own has to change that first.
    let entered = Mode::from_raw_mode(0o700);
    rustix::fs::chmodat(CWD, folder, entered, AtFlags::empty())?;
    walk(folder, None, &mut |step| match step.moment {
        Moment::Before if is_folder(step.stat) => {
            rustix::fs::chmodat(step.parent, step.name, entered, AtFlags::empty())
        }
        Moment::Before => unlinkat(step.parent, step.name, AtFlags::empty()),
        Moment::After => unlinkat(step.parent, step.name, AtFlags::REMOVEDIR),
    })?;
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::UTIME_OMIT;
    use std::fs::File;
    use std::os::unix::fs::{FileExt, symlink};
    use std::panic::catch_unwind;

    fn plant(folder: &Path) {
        fs::create_dir(folder.join("a")).unwrap();
        fs::write(folder.join("a/file"), b"content").unwrap();
        symlink("file", folder.join("a/link")).unwrap();
        for name in ["a/file", "a/link", "a"] {
            let mode = (name != "a/link").then_some(0o750);
            set(&folder.join(name), mode, (1_000_000, 5));
        }
    }

    #[test]
    fn a_comparison_finds_every_single_difference() {
        let temp = TempFolder::new();
        let (one, other) = (temp.folder("one"), temp.folder("other"));
        plant(&one);
        plant(&other);
        let expected = Snapshot::of(&one);
        expected.assert_arrived(&Snapshot::of(&other));
        expected.assert_unchanged(&Snapshot::of(&one));
        let changes: [fn(&Path); 8] = [
            |folder| fs::write(folder.join("a/file"), b"Content").unwrap(),
            |folder| fs::write(folder.join("a/file"), b"content\0").unwrap(),
            |folder| fs::write(folder.join("a/more"), b"").unwrap(),
            |folder| fs::remove_file(folder.join("a/file")).unwrap(),
            |folder| fs::rename(folder.join("a/file"), folder.join("a/fine")).unwrap(),
            |folder| set(&folder.join("a/file"), Some(0o751), (1_000_000, 5)),
            |folder| set(&folder.join("a/link"), None, (1_000_000, 6)),
            |folder| {
                fs::remove_file(folder.join("a/link")).unwrap();
                symlink("fil", folder.join("a/link")).unwrap();
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let changed = temp.folder(&number.to_string());
            plant(&changed);
            change(&changed);
            if number != 6 {
                set(&changed.join("a"), None, (1_000_000, 5));
            }
            let found = Snapshot::of(&changed);
            let compared = catch_unwind(|| expected.assert_arrived(&found));
            assert!(compared.is_err(), "change {number} was not found");
        }
    }

    #[test]
    fn the_time_of_access_of_a_file_counts_and_that_of_a_folder_does_not() {
        let temp = TempFolder::new();
        plant(temp.path());
        let before = Snapshot::of(temp.path());
        let accessed = |name| {
            let last_access = Timespec {
                tv_sec: 2_000_000,
                tv_nsec: 0,
            };
            let last_modification = Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            };
            let times = Timestamps {
                last_access,
                last_modification,
            };
            utimensat(CWD, temp.path().join(name), &times, AtFlags::empty()).unwrap();
        };
        accessed("a");
        before.assert_unchanged(&Snapshot::of(temp.path()));
        accessed("a/file");
        let found = Snapshot::of(temp.path());
        let compared = catch_unwind(|| before.assert_unchanged(&found));
        assert!(compared.is_err(), "the access to the file was not found");
    }

    #[test]
    fn holes_and_zeros_are_the_same_content() {
        let temp = TempFolder::new();
        let mut zeros = vec![0; 300_000];
        zeros[200_001] = 1;
        fs::write(temp.path().join("zeros"), &zeros).unwrap();
        let holes = File::create(temp.path().join("holes")).unwrap();
        holes.set_len(300_000).unwrap();
        holes.write_all_at(&[1], 200_001).unwrap();
        let found = Snapshot::of(temp.path());
        let [zeros, holes] = ["zeros", "holes"].map(|name| found.get(name).unwrap());
        assert_eq!((zeros.len, zeros.content), (holes.len, holes.content));
    }

    #[test]
    fn a_tree_of_8000_levels_is_made_seen_and_removed() {
        let temp = TempFolder::new();
        let folder = temp.folder("deep");
        drop(make_deep(&folder, "d", 8000));
        assert_eq!(Snapshot::of(&folder).len(), 8000);
        remove(&folder).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_that_is_closed_to_its_owner_is_removed() {
        let temp = TempFolder::new();
        let folder = temp.folder("closed");
        fs::write(folder.join("file"), b"").unwrap();
        set(&folder, Some(0), (0, 0));
        remove(&folder).unwrap();
        assert!(!folder.exists());
    }
}
