//! The answer: received into a file that has no name yet, or dropped.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::unix::fs::FileExt;

use qvm_common::channel::Source;

use crate::keep::{elsewhere, moved_elsewhere};
use crate::original::Original;
use crate::temporary::Temporary;

/// What to do when the other side has not done its part.
const AGAIN: &str = "check that the other qube is still running, and open it again";

/// Bytes that are received at once.
const CHUNK: usize = 128 * 1024;

/// How much of an answer is taken, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What comes is dropped.
    pub view_only: bool,
    /// Longest answer in bytes. By default four times the original and 1 GiB; nothing is stored
    /// of what is dropped, so there the default is no limit.
    pub max_bytes: Option<u64>,
}

impl Limit {
    fn bytes(&self, original: &Original) -> u64 {
        let default = if self.view_only {
            u64::MAX
        } else {
            original.size().saturating_mul(4).saturating_add(1 << 30)
        };
        self.max_bytes.unwrap_or(default)
    }
}

/// Why what came cannot be taken for the whole new content.
#[derive(Debug)]
pub enum Fault {
    /// The original could not be read to its end.
    NotRead(io::Error),
    /// The other qube did not take all of the file.
    NotTaken(Option<io::Error>),
    /// It answered before it had the file.
    NotAsked,
    /// It sent more than this many bytes.
    TooLong(u64),
    /// The connection broke.
    Broken(io::Error),
    /// What came could not be stored.
    NotStored(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRead(error) => write!(f, "it could not be read to its end: {error}"),
            Self::NotTaken(Some(error)) => {
                write!(f, "the other qube did not take all of it: {error}")
            }
            Self::NotTaken(None) => f.write_str("the other qube did not take all of it"),
            Self::NotAsked => f.write_str("the other qube answered before it had the file"),
            Self::TooLong(limit) => write!(f, "the other qube sent more than {limit} bytes"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::NotStored(error) => write!(f, "what came back cannot be stored: {error}"),
        }
    }
}

impl Fault {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NotRead(_) => "check the disk that it is on, and that no program cuts it short",
            Self::NotTaken(_) | Self::NotAsked | Self::Broken(_) => AGAIN,
            Self::TooLong(_) => "if it is to be that long, allow it with --max-answer-bytes",
            Self::NotStored(_) => "make room in its folder or in /tmp, and open it again",
        }
    }
}

/// What came, as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// `None` if nothing came or everything was dropped.
    pub(crate) stored: Option<Temporary>,
    /// It is in `/tmp`, for this reason, since the folder of the original did not take it.
    pub(crate) why_elsewhere: Option<io::Error>,
    bytes: u64,
}

/// Receives into `answer` until the end of input. `asked` is set once the request is sent.
pub(crate) async fn receive(
    original: &Original,
    limit: Limit,
    from: &mut Source,
    asked: &Cell<bool>,
    answer: &mut Answer,
) -> Result<(), Fault> {
    let max_bytes = limit.bytes(original);
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = from.read(&mut buffer).await.map_err(Fault::Broken)?;
        let chunk = &buffer[..count];
        if chunk.is_empty() {
            return Ok(());
        }
        let too_long = chunk.len() as u64 > max_bytes - answer.bytes;
        if limit.view_only {
            answer.bytes += if too_long { 0 } else { chunk.len() as u64 };
        } else if !too_long {
            answer.store(original, chunk).map_err(Fault::NotStored)?;
        }
        if too_long {
            return Err(Fault::TooLong(max_bytes));
        }
        if !asked.get() {
            return Err(Fault::NotAsked);
        }
    }
}

impl Answer {
    /// Appends `chunk`, in the folder of the original, so that it can take its place. A folder that
    /// takes no new file, or not all of it, is no reason to lose an edit: `/tmp` may take it.
    fn store(&mut self, original: &Original, chunk: &[u8]) -> io::Result<()> {
        let in_folder = match &self.stored {
            Some(stored) => stored.file().write_all_at(chunk, self.bytes),
            None => Temporary::create(original.folder())
                .and_then(|new| self.stored.insert(new).file().write_all_at(chunk, 0)),
        };
        if let Err(error) = in_folder {
            if self.why_elsewhere.is_some() {
                return Err(error);
            }
            let moved = match &self.stored {
                Some(stored) => {
                    // What a failed write left behind is not part of the answer.
                    stored.file().set_len(self.bytes)?;
                    moved_elsewhere(stored)?
                }
                None => elsewhere()?,
            };
            self.why_elsewhere = Some(error);
            let stored = self.stored.insert(moved);
            stored.file().write_all_at(chunk, self.bytes)?;
        }
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    /// Nothing more will come. A disk may take all of it and then fail to write it, and says so once
    /// only (`fsync(2)`): then too `/tmp` may take it, for as long as it can still be read.
    pub(crate) fn make_durable(&mut self) -> io::Result<()> {
        let Some(stored) = &self.stored else {
            return Ok(());
        };
        if let (Err(error), None) = (stored.file().sync_all(), &self.why_elsewhere) {
            self.stored = Some(moved_elsewhere(stored)?);
            self.why_elsewhere = Some(error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_grows_with_the_original_unless_it_is_set() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("file"), [0; 1000]).unwrap();
        let original = Original::open(&home.path().join("file")).unwrap();
        for (view_only, max_bytes, expected) in [
            (false, None, 4000 + (1 << 30)),
            (false, Some(0), 0),
            (true, None, u64::MAX),
            (true, Some(7), 7),
        ] {
            let limit = Limit {
                view_only,
                max_bytes,
            };
            assert_eq!(limit.bytes(&original), expected);
        }
    }
}
