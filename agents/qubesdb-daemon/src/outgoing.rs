//! Bytes that wait to be sent.

use qubesdb::{Kind, Path, append_message};

/// Memory above this is given back when nothing waits any more.
const KEEP_CAPACITY: usize = 4 << 10;

/// A queue of whole messages.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    pub(crate) fn append(&mut self, kind: Kind, path: &Path, data: &[u8]) {
        append_message(&mut self.bytes, kind, path, data);
    }

    pub(crate) fn waiting(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(crate) fn sent(&mut self, count: usize) {
        self.sent = self.bytes.len().min(self.sent + count);
        if self.sent == self.bytes.len() {
            self.clear();
        } else if self.sent > self.bytes.len() / 2 {
            // Moves each byte once on the average, however long the queue is.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEEP_CAPACITY);
        self.sent = 0;
    }
}
