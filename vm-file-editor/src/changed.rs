//! Whether the user has changed the file: by what the file system says, and then by its content.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use files::{CHUNK_LEN, State};
use sha2::{Digest, Sha256};

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
        let mut buffer = vec![0; CHUNK_LEN];
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

/// The file as it arrived. It has changed when it has another fingerprint: not with a new time, nor as
/// a new file with the content of the old one. What is in the same state has the same fingerprint.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) state: State,
    pub(crate) fingerprint: Fingerprint,
}
