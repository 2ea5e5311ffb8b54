//! How one tells that a file is still the one that was sent.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// What changes when a file is written, replaced or given other attributes. Times are seconds and
/// nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    content: ContentStamp,
    ctime: (i64, i64),
}

/// The part of a [`Stamp`] that a rename leaves as it is: only `ctime` tells renames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentStamp {
    device: u64,
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    mode: u32,
    owner: (u32, u32),
    links: u64,
}

impl Stamp {
    pub(crate) fn of(file: &Metadata) -> Self {
        Self {
            content: ContentStamp::of(file),
            ctime: (file.ctime(), file.ctime_nsec()),
        }
    }

    pub(crate) fn content(&self) -> ContentStamp {
        self.content
    }

    /// Bytes of content.
    pub(crate) fn size(&self) -> u64 {
        self.content.size
    }

    /// The file has other names than the one it was opened by.
    pub(crate) fn has_other_names(&self) -> bool {
        self.content.links > 1
    }
}

impl ContentStamp {
    pub(crate) fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            mtime: (file.mtime(), file.mtime_nsec()),
            mode: file.mode(),
            owner: (file.uid(), file.gid()),
            links: file.nlink(),
        }
    }
}
