//! Whether the user has changed the file: by what the file system says, and then by its content.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use sha2::{Digest, Sha256};

/// Bytes that are hashed at once.
const CHUNK: usize = 128 * 1024;

/// What changes when a file is written or replaced. Times are seconds and nanoseconds: an edit may
/// be saved within the second in which the file arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(file: &Metadata) -> Self {
        Self {
            inode: file.ino(),
            size: file.size(),
            mtime: (file.mtime(), file.mtime_nsec()),
            ctime: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// The same file, not written to in between; its mode and the like may have changed.
    pub(crate) fn is_unwritten_since(&self, earlier: &Self) -> bool {
        let ctime = earlier.ctime;
        Self { ctime, ..*self } == *earlier
    }
}

/// The content of a file, in 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

/// Takes a fingerprint of content as it passes.
#[derive(Debug, Default)]
pub(crate) struct Fingerprinting(Sha256);

impl Fingerprinting {
    pub(crate) fn update(&mut self, content: &[u8]) {
        self.0.update(content);
    }

    pub(crate) fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finalize().into())
    }
}

impl Fingerprint {
    /// The fingerprint of all of `file`.
    pub(crate) async fn of(file: &File) -> io::Result<Self> {
        let mut fingerprinting = Fingerprinting::default();
        let mut buffer = vec![0; CHUNK];
        let mut offset = 0;
        loop {
            let count = file.read_at(&mut buffer, offset)?;
            if count == 0 {
                return Ok(fingerprinting.finish());
            }
            fingerprinting.update(&buffer[..count]);
            offset += count as u64;
            // Gigabytes take a while, in which signals are heard.
            tokio::task::yield_now().await;
        }
    }
}

/// The file as it arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) stamp: Stamp,
    pub(crate) fingerprint: Fingerprint,
}

impl Arrived {
    /// `file` has other content. That alone is a change: not a new time, nor a new file with the
    /// content of the old one.
    pub(crate) async fn is_changed_in(&self, file: &File) -> io::Result<bool> {
        Ok(Stamp::of(&file.metadata()?) != self.stamp
            && Fingerprint::of(file).await? != self.fingerprint)
    }
}
