//! The folders between an argument and the entry at hand, of which only the deepest are open.
//!
//! A folder that was closed to save a descriptor is opened again through `..` of the folder below
//! it, accepted only if it is the same folder, and read on where it was left.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use files::{Stat, State};
use rustix::fs::{Dir, FileType, Mode, OFlags, SeekFrom, fstat, openat, seek};
use rustix::io::{self, Errno};
use rustix::process::{Resource, getrlimit};

use crate::error::Reason;

/// How many levels are open at most, beside those that followed links hold open.
const MAX_OPEN: u64 = 64;

/// How a folder is opened to be walked; `NOFOLLOW` comes on top unless a link is to be followed.
pub(crate) const O_WALK: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// The folders from the argument down to the one that is being read.
#[derive(Debug)]
pub(crate) struct Levels {
    levels: Vec<Level>,
    max_open: usize,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Level {
    /// Its state when it was opened first.
    pub(crate) stat: Stat,
    /// Bytes of the walk's path that name it.
    pub(crate) path_len: usize,
    /// It was entered through a followed link.
    by_link: bool,
    /// `None` while it is closed to save the descriptor.
    open: Option<Dir>,
    /// Where to read on, as the file system counts (getdents(2), `d_off`).
    position: i64,
}

/// What a folder says of one of its entries.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) leaf: std::ffi::CString,
    /// May be unknown.
    pub(crate) kind: FileType,
}

impl Levels {
    /// An empty stack. A quarter of the soft limit on open files is used, and no more than 64.
    pub(crate) fn new() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self {
            levels: Vec::new(),
            max_open: usize::try_from((limit / 4).clamp(2, MAX_OPEN)).unwrap_or(2),
        }
    }

    pub(crate) fn top(&self) -> Option<&Level> {
        self.levels.last()
    }

    /// The descriptor of the folder that is being read.
    pub(crate) fn top_fd(&self) -> Option<BorrowedFd<'_>> {
        self.top()?.open.as_ref()?.fd().ok()
    }

    /// True when one of the folders is the one that `stat` describes.
    pub(crate) fn contain(&self, stat: &Stat) -> bool {
        self.levels
            .iter()
            .any(|level| level.stat.state.is_same_file(&stat.state))
    }

    /// How many of the folders were entered by links.
    pub(crate) fn links(&self) -> usize {
        self.levels.iter().filter(|level| level.by_link).count()
    }

    /// Goes down into `folder`, and closes the level that is now too far up.
    pub(crate) fn push(
        &mut self,
        folder: OwnedFd,
        stat: Stat,
        path_len: usize,
        by_link: bool,
    ) -> io::Result<()> {
        self.levels.push(Level {
            stat,
            path_len,
            by_link,
            open: Some(Dir::new(folder)?),
            position: 0,
        });
        if let Some(far) = self.levels.len().checked_sub(self.max_open + 1) {
            if !self.levels[far + 1].by_link {
                self.levels[far].open = None;
            }
        }
        Ok(())
    }

    /// Goes back up to the folder above, if there is one.
    pub(crate) fn pop(&mut self) -> Result<(), Reason> {
        let (Some(left), Some(parent)) = (self.levels.pop(), self.levels.last_mut()) else {
            return Ok(());
        };
        match (&parent.open, left.open) {
            (None, Some(child)) => parent.reopen(child.fd().map_err(return_error)?),
            _ => Ok(()),
        }
    }

    /// Forgets all levels.
    pub(crate) fn clear(&mut self) {
        self.levels.clear();
    }

    /// The next entry of the folder at the top, `.` and `..` left out.
    pub(crate) fn read(&mut self) -> Option<io::Result<Listed>> {
        let level = self.levels.last_mut()?;
        let open = level.open.as_mut()?;
        loop {
            let entry = match open.read()? {
                Ok(entry) => entry,
                Err(errno) => return Some(Err(errno)),
            };
            level.position = entry.offset();
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                return Some(Ok(Listed {
                    leaf: entry.file_name().to_owned(),
                    kind: entry.file_type(),
                }));
            }
        }
    }
}

impl Level {
    fn reopen(&mut self, child: BorrowedFd<'_>) -> Result<(), Reason> {
        let folder =
            openat(child, "..", O_WALK | OFlags::NOFOLLOW, Mode::empty()).map_err(return_error)?;
        let found = State::from(fstat(&folder).map_err(return_error)?);
        if !found.is_same_file(&self.stat.state) {
            return Err(Reason::Moved);
        }
        let position = u64::try_from(self.position).map_err(|_| return_error(Errno::OVERFLOW))?;
        seek(folder.as_fd(), SeekFrom::Start(position)).map_err(return_error)?;
        self.open = Some(Dir::new(folder).map_err(return_error)?);
        Ok(())
    }
}

fn return_error(errno: Errno) -> Reason {
    Reason::Return(errno.into())
}
