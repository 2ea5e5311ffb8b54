//! What a walk hands out: an entry, where it stands, and how to get at it.

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use crate::error::{Reason, WalkError};

/// One step of a walk.
#[derive(Debug)]
pub struct Found<'w> {
    /// The path by which the person who asked for it knows it; for messages only.
    pub path: &'w [u8],
    /// Its name in the stream: the last component of the argument and what lies below it.
    pub name: &'w [u8],
    /// The folder that the argument stands in.
    pub base: BorrowedFd<'w>,
    /// It was found through a link that was followed: it does not stand under this name, or not in
    /// what was asked for.
    pub through_link: bool,
    /// What it is, and what can be done with it.
    pub what: What<'w>,
}

/// What was found.
#[derive(Debug)]
pub enum What<'w> {
    /// A folder, before its content. Its state when it was opened.
    EnterFolder(Stat),
    /// The same folder, after its content; with the same state, so with the times that it had
    /// before it was read.
    LeaveFolder(Stat),
    /// A regular file.
    File(FoundFile<'w>),
    /// A symbolic link (only where they are sent, [`crate::Links::Send`]).
    Symlink(FoundSymlink<'w>),
    /// Something that no stream carries.
    Special(Special),
}

/// A regular file that a walk found and has not opened.
#[derive(Debug)]
pub struct FoundFile<'w> {
    pub(crate) place: Place<'w>,
    /// It was found through a link that was to be followed.
    pub(crate) by_link: bool,
}

/// A symbolic link that a walk found.
#[derive(Debug)]
pub struct FoundSymlink<'w> {
    pub(crate) place: Place<'w>,
}

/// Where something stands: its name in an open folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'w> {
    pub(crate) folder: BorrowedFd<'w>,
    pub(crate) leaf: &'w [u8],
    pub(crate) path: &'w [u8],
}

/// The kinds of files that no stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// A named pipe.
    Fifo,
    /// A socket of the Unix domain.
    Socket,
    /// A character or block device.
    Device,
    /// A kind that this program does not know.
    Unknown,
}

/// What the system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The file system it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// `st_mode`: type and permission bits.
    pub mode: u32,
    /// Length of its content in bytes; of a link, of its target.
    pub size: u64,
    /// Bytes that are allocated for it; fewer than `size` where it has holes or is compressed.
    pub allocated: u64,
    /// Time of last access.
    pub atime: Time,
    /// Time of last modification.
    pub mtime: Time,
    /// Time of last change of the file's state.
    pub ctime: Time,
}

/// A point in time as the system gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970-01-01 00:00:00 UTC; negative before.
    pub seconds: i64,
    /// Nanoseconds to add, 0..=999_999_999.
    pub nanoseconds: i64,
}

impl FoundFile<'_> {
    /// Opens it for reading and makes sure that it still is a regular file. It never waits at a FIFO
    /// that has taken its place.
    ///
    /// # Errors
    /// [`Reason::Vanished`] when it is gone, [`Reason::Changed`] when something else has taken its
    /// place, [`Reason::Open`] when the system refuses.
    pub fn open(&self) -> Result<(File, Stat), WalkError> {
        let follow = if self.by_link {
            OFlags::empty()
        } else {
            OFlags::NOFOLLOW
        };
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC | follow;
        let open = |flags| openat(self.place.folder, self.place.leaf, flags, Mode::empty());
        let opened = match open(flags | OFlags::NONBLOCK) {
            // Only a regular file that another program holds a lease on answers so; wait until the
            // lease is given back (fcntl(2), F_SETLEASE).
            Err(Errno::AGAIN) => open(flags),
            other => other,
        };
        let file = opened.map_err(|errno| match errno {
            Errno::NOENT => self.place.error(Reason::Vanished),
            Errno::LOOP | Errno::NXIO if !self.by_link => self.place.error(Reason::Changed),
            other => self.place.error(Reason::Open(other.into())),
        })?;
        let found = fstat(&file).map_err(|errno| self.place.error(Reason::Open(errno.into())))?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Ok((File::from(file), found.into())),
            _ => Err(self.place.error(Reason::Changed)),
        }
    }

    /// Looks at it without opening it.
    ///
    /// # Errors
    /// [`Reason::Vanished`] when it is gone, [`Reason::Open`] when the system refuses.
    pub fn stat(&self) -> Result<Stat, WalkError> {
        self.place.stat(self.by_link)
    }
}

impl FoundSymlink<'_> {
    /// Reads what it points to.
    ///
    /// # Errors
    /// [`Reason::Vanished`] when it is gone, [`Reason::Changed`] when something else has taken its
    /// place, [`Reason::Open`] when the system refuses.
    pub fn target(&self) -> Result<Vec<u8>, WalkError> {
        readlinkat(self.place.folder, self.place.leaf, Vec::new())
            .map(CString::into_bytes)
            .map_err(|errno| {
                self.place.error(match errno {
                    Errno::NOENT => Reason::Vanished,
                    Errno::INVAL => Reason::Changed,
                    other => Reason::Open(other.into()),
                })
            })
    }

    /// Looks at the link itself.
    ///
    /// # Errors
    /// [`Reason::Vanished`] when it is gone, [`Reason::Open`] when the system refuses.
    pub fn stat(&self) -> Result<Stat, WalkError> {
        self.place.stat(false)
    }
}

impl Place<'_> {
    pub(crate) fn error(&self, reason: Reason) -> WalkError {
        WalkError::new(self.path, reason)
    }

    pub(crate) fn stat(&self, follow: bool) -> Result<Stat, WalkError> {
        let flags = if follow {
            AtFlags::empty()
        } else {
            AtFlags::SYMLINK_NOFOLLOW
        };
        statat(self.folder, self.leaf, flags)
            .map(Stat::from)
            .map_err(|errno| {
                self.error(match errno {
                    Errno::NOENT if !follow => Reason::Vanished,
                    other if follow => Reason::Dangling(other.into()),
                    other => Reason::Open(other.into()),
                })
            })
    }
}

impl Special {
    pub(crate) fn from_type(kind: FileType) -> Self {
        match kind {
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice | FileType::BlockDevice => Self::Device,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fifo => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Unknown => "a file of an unknown kind",
        })
    }
}

impl Stat {
    pub(crate) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    /// True when both are the same file, whatever its state.
    #[must_use]
    pub fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl From<rustix::fs::Stat> for Stat {
    fn from(stat: rustix::fs::Stat) -> Self {
        let time = |seconds, nanoseconds| Time {
            seconds,
            nanoseconds: i64::try_from(nanoseconds).unwrap_or(0),
        };
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            mode: stat.st_mode,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            allocated: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
            atime: time(stat.st_atime, stat.st_atime_nsec),
            mtime: time(stat.st_mtime, stat.st_mtime_nsec),
            ctime: time(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}
