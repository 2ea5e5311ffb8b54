//! How much may come in one stream.

use qfile_proto::{Entry, Kind, Refusal};

use crate::outcome::Landed;

/// The limits, and what has come so far.
#[derive(Debug)]
pub(super) struct Limits {
    max_entries: Option<u64>,
    max_bytes: Option<u64>,
    counted: Landed,
    bytes: u64,
}

impl Limits {
    pub(super) fn new(max_entries: Option<u64>, max_bytes: Option<u64>) -> Self {
        Self {
            max_entries,
            max_bytes,
            counted: Landed::default(),
            bytes: 0,
        }
    }

    /// Counts an entry, at its header.
    ///
    /// # Errors
    /// [`Refusal::LimitReached`].
    pub(super) fn count(&mut self, entry: &Entry) -> Result<(), Refusal> {
        match entry.kind {
            Kind::Directory => self.counted.folders += 1,
            Kind::File | Kind::Symlink => self.counted.files += 1,
        }
        let entries = self.counted.files + self.counted.folders;
        let sum = self
            .bytes
            .checked_add(entry.len)
            .filter(|sum| i64::try_from(*sum).is_ok());
        self.bytes = sum.ok_or(Refusal::LimitReached)?;
        let over = |count: u64, limit: Option<u64>| limit.is_some_and(|limit| count > limit);
        if over(entries, self.max_entries) || over(self.bytes, self.max_bytes) {
            return Err(Refusal::LimitReached);
        }
        Ok(())
    }

    /// What has been counted.
    pub(super) fn counted(&self) -> Landed {
        self.counted
    }
}
