//! Placing: the only part that creates anything. It takes a [`SafeName`] and starts from the
//! descriptor of the incoming folder, every time anew, so that a folder which somebody moves away
//! during a copy is not followed (QSB-014).

mod conflict;
mod existing;
mod file;
mod holes;
mod leftover;
mod resolve;
mod spot;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use qfile_proto::{Entry, Refusal, SafeName, Timestamp};
use rustix::fs::{futimens, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::jail::Jailed;

pub use existing::ExistingFile;
pub use file::NewFile;
pub use spot::Spot;

/// The incoming folder, and what can be done in it.
#[derive(Debug)]
pub struct Root {
    dir: OwnedFd,
    /// The kernel has `openat2` (Linux 5.6).
    has_openat2: bool,
    /// Files can be created without a name and be linked in when they are complete.
    has_nameless_files: bool,
    /// A path of several components is as safe as a descriptor of its folder.
    may_use_paths: bool,
    notes: Vec<&'static str>,
}

impl Root {
    /// Finds out what kernel and file system can do, without leaving a trace.
    #[must_use]
    pub fn explore(jailed: Jailed) -> Self {
        let dir = jailed.root;
        let has_openat2 = resolve::has_openat2(&dir);
        let has_nameless_files = file::nameless_files_work(&dir);
        let mut notes = Vec::new();
        if !has_openat2 {
            notes.push("no openat2: folders are opened one by one");
        }
        if !has_nameless_files {
            notes.push(
                "no O_TMPFILE that can be linked: an incomplete file is there with mode 0200",
            );
        }
        Self {
            may_use_paths: has_openat2 && jailed.no_links_followed,
            dir,
            has_openat2,
            has_nameless_files,
            notes,
        }
    }

    /// What kernel or file system lack.
    #[must_use]
    pub fn notes(&self) -> &[&'static str] {
        &self.notes
    }

    /// The incoming folder itself.
    #[must_use]
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// True if a file gets its name only at the end, by a link that refuses a name that is there.
    #[must_use]
    pub fn links_at_the_end(&self) -> bool {
        self.has_nameless_files
    }

    /// Where `name` is to land.
    ///
    /// # Errors
    /// Those of opening the folder that it stands in.
    pub fn spot(&self, name: SafeName<'_>) -> Result<Spot<'_>, Refusal> {
        Spot::find(self, name)
    }

    /// The reason behind a refusal of the system: nothing can be made in a folder that has been
    /// deleted, and what calls answer then depends on the file system.
    #[must_use]
    pub fn explain(&self, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::System(libc::ENOENT | libc::EPERM) if self.is_deleted() => {
                Refusal::IncomingFolderGone
            }
            other => other,
        }
    }

    fn is_deleted(&self) -> bool {
        rustix::fs::fstat(&self.dir).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Gives a folder that this transfer created the mode and times of its second header.
    ///
    /// # Errors
    /// Those of the calls it takes.
    pub fn finish_folder(&self, name: SafeName<'_>, entry: &Entry) -> Result<(), Refusal> {
        let folder = resolve::open_folder(self, name, OFlags::RDONLY).map_err(refusal)?;
        rustix::fs::fchmod(&folder, Mode::from_bits_truncate(entry.permissions))
            .map_err(refusal)?;
        futimens(&folder, &times(entry)).map_err(refusal)
    }

    /// Brings everything that landed to the disk.
    ///
    /// # Errors
    /// Those of writing, even when they happened long after the write.
    pub fn sync(&self) -> Result<(), Refusal> {
        rustix::fs::syncfs(&self.dir).map_err(refusal)
    }
}

fn refusal(errno: Errno) -> Refusal {
    match errno {
        Errno::EXIST => Refusal::AlreadyExists,
        _ => Refusal::System(errno.raw_os_error()),
    }
}

fn times(entry: &Entry) -> Timestamps {
    let timespec = |time: Timestamp| Timespec {
        tv_sec: time.seconds.into(),
        tv_nsec: time.nanoseconds.into(),
    };
    Timestamps {
        last_access: timespec(leftover::unmarked(entry.atime)),
        last_modification: timespec(entry.mtime),
    }
}
