//! Files of the system that this program changes, and the lock on the network.

use std::io;
use std::path::Path;

pub(crate) use ::files::{holds, is_protected, read_small as read, remove};

/// Puts a text file in the place of `path`: [`::files::replace`].
pub(crate) fn replace(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    ::files::replace(path, content.as_bytes(), mode)
}

/// Keeps other processes of this program from changing the network at the same time.
#[derive(Debug)]
pub(crate) struct Lock(
    #[expect(dead_code, reason = "it is held as long as it is there")] ::files::Lock,
);

impl Lock {
    /// Waits for it.
    pub(crate) fn take() -> io::Result<Self> {
        ::files::Lock::take(Path::new("/run/qubes-network.lock")).map(Self)
    }
}
