//! Files, folders and links outside the incoming folder that an attack must leave as they are.
//!
//! They are compared to the last bit that can be seen: content, mode, owner, inode, number of
//! names and every time to the nanosecond: that of the last change too, so that a change which was
//! put back shows, and for files and links that of the last access, so that reading or following
//! shows.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::tree::set;
use crate::user::{am_root, give_to_ordinary};

/// What the sentinel files hold.
pub const CONTENT: &[u8] = b"must stay as it is";

/// Accessed no later than modified: a file system mounted `relatime`, as most are, then notes the
/// next access.
const MTIME: (i64, u32) = (1_234_567, 89);

/// What is planted, the folder of all of them last: a folder's times are right once it is full.
const PLANTED: [&str; 6] = ["file", "folder/inner", "folder", "link", "of-root", ""];

/// Sentinels of one test.
#[derive(Debug)]
pub struct Sentinels {
    folder: PathBuf,
    before: Vec<Seen>,
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    inode: u64,
    names: u64,
    mode: u32,
    owner: (u32, u32),
    accessed: Option<(i64, i64)>,
    modified: (i64, i64),
    changed: (i64, i64),
    content: Option<Vec<u8>>,
}

impl Sentinels {
    /// Plants sentinels in the new folder `folder`. They belong to whoever runs the receiver, so
    /// that it *could* harm them; `of-root`, where the tests run as root, to root alone, so that
    /// only a privilege that was kept could.
    #[must_use]
    pub fn plant(folder: &Path) -> Self {
        fs::create_dir(folder).expect("the folder above is ours");
        fs::create_dir(folder.join("folder")).expect("the folder is ours");
        for file in ["file", "folder/inner", "of-root"] {
            fs::write(folder.join(file), CONTENT).expect("the folder is ours");
        }
        symlink("file", folder.join("link")).expect("the folder is ours");
        for name in PLANTED {
            let path = folder.join(name);
            if am_root() && !matches!(name, "link" | "of-root") {
                give_to_ordinary(&path);
            }
            let mode = match name {
                "link" => None,
                "" => Some(0o755),
                "folder" => Some(0o750),
                _ => Some(0o600),
            };
            set(&path, mode, MTIME);
        }
        let mut sentinels = Self {
            folder: folder.to_owned(),
            before: Vec::new(),
        };
        sentinels.before = sentinels.look();
        sentinels
    }

    /// The folder of them.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Fails the test unless they are as they were planted, and nothing has come to them.
    #[track_caller]
    pub fn assert_untouched(&self) {
        for (before, now) in self.before.iter().zip(self.look()) {
            assert_eq!(*before, now, "a sentinel was touched");
        }
    }

    /// Without leaving a trace: no folder is listed (its times tell whether something has come to
    /// it or gone), no link is read (its inode tells that it is the same).
    fn look(&self) -> Vec<Seen> {
        let look_at = |name: &&str| {
            let path = self.folder.join(name);
            let stat = fs::symlink_metadata(&path)
                .unwrap_or_else(|error| panic!("the sentinel {}: {error}", path.display()));
            Seen {
                inode: stat.ino(),
                names: stat.nlink(),
                mode: stat.mode(),
                owner: (stat.uid(), stat.gid()),
                // Folders are listed by others too: by whoever searches the disk.
                accessed: (!stat.is_dir()).then(|| (stat.atime(), stat.atime_nsec())),
                modified: (stat.mtime(), stat.mtime_nsec()),
                changed: (stat.ctime(), stat.ctime_nsec()),
                content: stat.is_file().then(|| read_quietly(&path)),
                path,
            }
        };
        PLANTED.iter().map(look_at).collect()
    }
}

fn read_quietly(path: &Path) -> Vec<u8> {
    let flags = OFlags::NOATIME | OFlags::NOFOLLOW;
    let mut content = Vec::new();
    OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).expect("flags are small"))
        .open(path)
        .and_then(|mut file| file.read_to_end(&mut content))
        .expect("a sentinel can be read");
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::TempFolder;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn every_touch_is_noticed() {
        let touches: [fn(&Path); 7] = [
            |folder| fs::write(folder.join("file"), CONTENT).unwrap(),
            |folder| fs::write(folder.join("new"), b"").unwrap(),
            |folder| fs::write(folder.join("folder/new"), b"").unwrap(),
            |folder| fs::remove_file(folder.join("link")).unwrap(),
            |folder| fs::hard_link(folder.join("file"), folder.join("../name")).unwrap(),
            |folder| fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap(),
            |folder| set(&folder.join("folder"), Some(0o750), MTIME),
        ];
        for (number, touch) in touches.into_iter().enumerate() {
            let temp = TempFolder::new();
            let sentinels = Sentinels::plant(&temp.path().join("sentinels"));
            sentinels.assert_untouched();
            sentinels.assert_untouched();
            touch(sentinels.folder());
            let compared = catch_unwind(AssertUnwindSafe(|| sentinels.assert_untouched()));
            assert!(compared.is_err(), "touch {number} was not noticed");
        }
    }
}
