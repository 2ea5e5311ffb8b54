//! Names that appear in a folder (`inotify(7)`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::io::{Errno, read};

/// Tells of each name that is made in a folder, or moved there, from now on: the descriptor can be
/// read then. So what is looked for afterwards is not missed.
#[derive(Debug)]
pub struct NewNames(OwnedFd);

impl NewNames {
    /// Those of `folder`.
    ///
    /// # Errors
    /// The folder cannot be watched.
    pub fn of(folder: &Path) -> Result<Self, Errno> {
        let changes = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        add_watch(&changes, folder, WatchFlags::CREATE | WatchFlags::MOVED_TO)?;
        Ok(Self(changes))
    }

    /// Forgets what was told. Which names they were does not matter.
    pub fn forget(&self) {
        while read(&self.0, &mut [0; 4096]).is_ok_and(|count| count > 0) {}
    }
}

impl AsFd for NewNames {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
