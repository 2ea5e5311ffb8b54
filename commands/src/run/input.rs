//! Our stdin, as it is handed on to a call, and kept for the next one.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::thread;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::{Receiver, channel};

/// How many bytes of stdin are kept for a second call. A call of a service that does not exist takes
/// what the pipes, the client and the channel between the qubes hold, which is less.
const MAX_KEPT: usize = 1 << 20;

/// Bytes of one read.
const CHUNK_LEN: usize = 64 << 10;

/// Our stdin.
#[derive(Debug)]
pub(super) struct Input {
    chunks: Receiver<Vec<u8>>,
    /// All that was read; `None` when that was too much.
    kept: Option<Vec<u8>>,
}

impl Input {
    /// Begins to read stdin, on a thread of its own: a terminal or a file cannot be waited for, and a
    /// pipe that others use too must not become non-blocking.
    pub(super) fn of_stdin() -> Self {
        let (sender, chunks) = channel(1);
        thread::spawn(move || {
            let Ok(stdin) = io::stdin().as_fd().try_clone_to_owned() else {
                // It is closed.
                return;
            };
            let mut stdin = File::from(stdin);
            let mut buffer = vec![0; CHUNK_LEN];
            while let Ok(count @ 1..) = stdin.read(&mut buffer) {
                if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            chunks,
            kept: Some(Vec::new()),
        }
    }

    /// True if all that was read is still there for a second call.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Writes all of stdin to `to`, from its beginning if that was kept.
    ///
    /// # Errors
    /// Those of `write(2)`: `EPIPE` when nobody reads any more.
    pub(super) async fn feed(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        if let Some(kept) = &self.kept {
            to.write_all(kept).await?;
        }
        while let Some(chunk) = self.chunks.recv().await {
            self.kept = self.kept.take().and_then(|mut kept| {
                kept.extend_from_slice(&chunk);
                (kept.len() <= MAX_KEPT).then_some(kept)
            });
            to.write_all(&chunk).await?;
        }
        Ok(())
    }
}
