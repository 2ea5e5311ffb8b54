//! A folder that is held open: what happens in it happens there, also when it is moved meanwhile.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use files::{Fallback, NotOpened, OnLink, Stat, open_regular, rename_new};
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, fsync, linkat, openat, renameat, renameat_with,
    unlinkat,
};
use rustix::io::{Errno, retry_on_intr};

/// A folder and the path it was opened by. Names are single components.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |kind| retry_on_intr(|| openat(CWD, path, flags | kind, Mode::empty()));
        // A folder may be used without being listed; then it cannot be synced by itself.
        let fd = open(OFlags::RDONLY).or_else(|_| open(OFlags::PATH))?;
        let path = path.to_path_buf();
        Ok(Self { fd, path })
    }

    /// The path of `name` in the folder, to be shown.
    pub(crate) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// Opens the regular file `name`, never through a link.
    pub(crate) fn open_file(
        &self,
        name: &OsStr,
        access: OFlags,
    ) -> Result<(File, Stat), NotOpened> {
        open_regular(&self.fd, name, access, OnLink::Refuse)
    }

    /// What `name` is now; of a link, the link.
    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(Stat::fresh_at(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// A new file, 0600, that has no name and vanishes with its descriptor.
    pub(crate) fn create_unnamed(&self) -> io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let create = || openat(&self.fd, ".", flags, Mode::RUSR | Mode::WUSR);
        Ok(retry_on_intr(create)?.into())
    }

    /// A new file, 0600.
    pub(crate) fn create_named(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        Ok(openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Gives an unnamed file a name that is not taken.
    pub(crate) fn link_unnamed(&self, file: &File, name: &OsStr) -> io::Result<()> {
        match linkat(file, "", &self.fd, name, AtFlags::EMPTY_PATH) {
            // Before Linux 6.10 only root may do that; the way through /proc is older.
            Err(Errno::NOENT | Errno::PERM | Errno::INVAL) => {
                use std::os::fd::AsRawFd as _;
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                Ok(linkat(CWD, path, &self.fd, name, AtFlags::SYMLINK_FOLLOW)?)
            }
            result => Ok(result?),
        }
    }

    /// Swaps two names, which are both there, at once.
    pub(crate) fn exchange(&self, one: &OsStr, other: &OsStr) -> Result<(), Errno> {
        renameat_with(&self.fd, one, &self.fd, other, RenameFlags::EXCHANGE)
    }

    /// Renames, over whatever has the name `to`.
    pub(crate) fn rename_over(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Renames to a name that is not taken.
    pub(crate) fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(rename_new(&self.fd, from, to, Fallback::Claim)?)
    }

    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Makes names durable. What cannot sync folders is passed over.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match fsync(&self.fd) {
            Err(Errno::BADF | Errno::INVAL | Errno::ROFS | Errno::NOSYS | Errno::OPNOTSUPP) => {
                Ok(())
            }
            result => Ok(result?),
        }
    }
}
