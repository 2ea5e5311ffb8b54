//! The incoming folder, and what kernel and file system can do in it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use qfile_proto::{Refusal, SafeName};
use rustix::fs::{fstat, linkat, openat, syncfs, AtFlags, Mode, OFlags};
use rustix::io::{Errno, Result};

use super::errno::refusal;
use super::resolve::{self, MAX_PATH};
use crate::jail::Jailed;

/// The incoming folder.
#[derive(Debug)]
pub(crate) struct Root {
    dir: OwnedFd,
    /// The kernel has `openat2` (Linux 5.6).
    has_openat2: bool,
    /// Files can be created without a name and be linked in when they are complete.
    has_nameless_files: bool,
    /// A path of several components is as safe as a descriptor of its folder.
    may_use_paths: bool,
}

impl Root {
    /// Finds out what kernel and file system can do, without leaving a trace.
    pub(crate) fn explore(jailed: Jailed) -> Self {
        let dir = jailed.root;
        let has_openat2 = resolve::has_openat2(&dir);
        Self {
            may_use_paths: has_openat2 && jailed.no_links_followed,
            has_openat2,
            has_nameless_files: has_nameless_files(&dir),
            dir,
        }
    }

    /// What kernel or file system lack.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &'static str> {
        let no_openat2 = "no openat2: folders are opened one by one";
        let no_nameless_files =
            "no O_TMPFILE that can be linked: an incomplete file is there with mode 0200";
        [
            (self.has_openat2, no_openat2),
            (self.has_nameless_files, no_nameless_files),
        ]
        .into_iter()
        .filter_map(|(has_it, note)| (!has_it).then_some(note))
    }

    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// True if a file gets its name only at the end, by a link that refuses a name that is there.
    pub(crate) fn has_nameless_files(&self) -> bool {
        self.has_nameless_files
    }

    /// True if calls may be given the whole of `name`, and not only its last component.
    pub(super) fn takes_as_path(&self, name: SafeName<'_>) -> bool {
        self.may_use_paths && name.as_bytes().len() <= MAX_PATH
    }

    /// Opens `path` beneath `from`. Without `openat2` it has to be a single component, or `.`.
    pub(super) fn open(
        &self,
        from: impl AsFd,
        path: &[u8],
        flags: OFlags,
        mode: Mode,
    ) -> Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if self.has_openat2 {
            resolve::beneath(from, path, flags, mode)
        } else {
            openat(from, path, flags, mode)
        }
    }

    /// Opens the folder `name` with `access`, in pieces that a system call takes.
    pub(super) fn open_folder(&self, name: SafeName<'_>, access: OFlags) -> Result<OwnedFd> {
        let max_piece = if self.has_openat2 { MAX_PATH } else { 0 };
        let mut rest = name.as_bytes();
        let mut reached: Option<OwnedFd> = None;
        while !rest.is_empty() {
            let (piece, later) = resolve::split_piece(rest, max_piece);
            let last = later.is_empty();
            let flags = OFlags::DIRECTORY | if last { access } else { OFlags::PATH };
            let from = reached.as_ref().map_or(self.dir(), AsFd::as_fd);
            reached = Some(self.open(from, piece, flags, Mode::empty())?);
            rest = later;
        }
        reached.ok_or(Errno::NOENT)
    }

    /// The reason behind a refusal of the system: nothing can be made in a folder that has been
    /// deleted, and what calls answer then depends on the file system.
    pub(crate) fn explain(&self, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::System(libc::ENOENT | libc::EPERM) if self.is_deleted() => {
                Refusal::IncomingFolderGone
            }
            other => other,
        }
    }

    fn is_deleted(&self) -> bool {
        fstat(&self.dir).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Brings everything that landed to the disk. Errors of writing show here, even long after the
    /// write.
    pub(crate) fn sync(&self) -> std::result::Result<(), Refusal> {
        syncfs(&self.dir).map_err(refusal)
    }
}

/// Tries whether a nameless file can be created in `dir`, and linked. The name to link it to is `.`,
/// which is there always: that is the answer where linking is possible, and `ENOENT` where not.
fn has_nameless_files(dir: impl AsFd) -> bool {
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(&dir, ".", flags, Mode::empty()) {
        Ok(file) => linkat(&file, "", &dir, ".", AtFlags::EMPTY_PATH) == Err(Errno::EXIST),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => false,
        // A full disk, say: the first file will report it.
        Err(_) => true,
    }
}
