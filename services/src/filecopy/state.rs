//! Where the processes of several copies meet: files in the folder for the run time of the user.
//!
//! | file | what it is |
//! |---|---|
//! | `QUBE.copies` | locked by every copy from QUBE, shared; by whoever removes its folder, alone |
//! | `QUBE.notices` | locked by the process that shows notifications about QUBE |
//! | `QUBE.news` | what has not been shown yet |

use std::env;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use qfile_proto::QubeName;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat};
use rustix::io::Errno;
use rustix::process::getuid;

/// The name of the folder in that of the user.
const FOLDER: &str = "qfile";

/// The folder, which only this user can write to.
#[derive(Debug)]
pub(super) struct State {
    folder: OwnedFd,
}

impl State {
    /// Opens the folder, and creates it if it is not there. `None` if this user has no folder for the
    /// run time, or another user can write to it.
    pub(super) fn open() -> Option<Self> {
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let runtime = runtime.filter(|path| path.is_absolute());
        let uid = getuid().as_raw();
        Self::open_in(runtime.unwrap_or_else(|| format!("/run/user/{uid}").into()))
    }

    pub(super) fn open_in(runtime: PathBuf) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let runtime = openat(CWD, runtime, flags, Mode::empty()).ok()?;
        let runtime = of_this_user(runtime)?;
        match mkdirat(&runtime, FOLDER, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(_) => return None,
        }
        let folder = openat(&runtime, FOLDER, flags | OFlags::NOFOLLOW, Mode::empty()).ok()?;
        let folder = of_this_user(folder)?;
        Some(Self { folder })
    }

    /// Locks the incoming folder of `source` together with other copies. Waits only while an empty
    /// folder is being removed.
    pub(super) fn lock_folder_of(&self, source: &QubeName) -> Option<File> {
        let lock = self.file(source, "copies")?;
        flock(&lock, FlockOperation::LockShared).ok()?;
        Some(lock)
    }

    /// The file about `source` of that kind. It is created if it is not there.
    pub(super) fn file(&self, source: &QubeName, kind: &str) -> Option<File> {
        let name = format!("{source}.{kind}");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.folder, name, flags, Mode::RUSR | Mode::WUSR).ok()?;
        Some(file.into())
    }
}

fn of_this_user(folder: OwnedFd) -> Option<OwnedFd> {
    let stat = fstat(&folder).ok()?;
    let is_ours = stat.st_uid == getuid().as_raw() && stat.st_mode & 0o022 == 0;
    is_ours.then_some(folder)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        let runtime = tempfile::tempdir().unwrap();
        let set = |path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let open = || State::open_in(runtime.path().to_owned());
        set(runtime.path().to_owned(), 0o777);
        assert!(open().is_none());
        set(runtime.path().to_owned(), 0o700);
        assert!(open().is_some());
        let folder = runtime.path().join(FOLDER);
        set(folder.clone(), 0o770);
        assert!(open().is_none());
        fs::rename(&folder, runtime.path().join("other")).unwrap();
        symlink("other", &folder).unwrap();
        assert!(open().is_none());
        assert!(State::open_in("/no/such/folder".into()).is_none());
    }
}
