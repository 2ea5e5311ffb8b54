//! What a walk hands out: an entry, where it stands, and how to get at it.

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::os::fd::BorrowedFd;

use files::{NotOpened, OnLink, Stat, open_regular};
use rustix::fs::{AtFlags, FileType, OFlags, readlinkat};
use rustix::io::Errno;

use crate::error::{Reason, WalkError};

/// One step of a walk.
#[derive(Debug)]
pub struct Found<'w> {
    /// The path by which the person who asked for it knows it; for messages only.
    pub path: &'w [u8],
    /// Its name in the stream: the last component of the argument and what lies below it.
    pub name: &'w [u8],
    /// Bytes of `path` that name the folder that the argument stands in.
    pub base_len: usize,
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

impl FoundFile<'_> {
    /// Opens it for reading and makes sure that it still is a regular file. It never waits at a FIFO
    /// that has taken its place.
    ///
    /// # Errors
    /// [`Reason::Vanished`] when it is gone, [`Reason::Changed`] when something else has taken its
    /// place, [`Reason::Open`] when the system refuses.
    pub fn open(&self) -> Result<(File, Stat), WalkError> {
        let on_link = match self.by_link {
            true => OnLink::Follow,
            false => OnLink::Refuse,
        };
        let Place { folder, leaf, .. } = self.place;
        open_regular(folder, leaf, OFlags::RDONLY, on_link).map_err(|error| {
            self.place.error(match error {
                NotOpened::NotRegular => Reason::Changed,
                NotOpened::System(Errno::NOENT) => Reason::Vanished,
                NotOpened::System(other) => Reason::Open(other.into()),
            })
        })
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
        Stat::fresh_at(self.folder, self.leaf, flags).map_err(|errno| {
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
