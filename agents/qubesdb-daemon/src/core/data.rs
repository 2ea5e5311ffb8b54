//! What clients and the other daemon change, and the limits on it.

use qubesdb::{Path, Value};

use super::ClientId;
use crate::limits::Limits;
use crate::log::Log;
use crate::store::Store;
use crate::watches::Watches;

/// What clients and the other daemon change.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) limits: Limits,
    pub(crate) store: Store,
    pub(crate) watches: Watches,
    pub(crate) log: Log,
    // Changes of which no watch was told yet, in their order.
    pub(crate) changed: Vec<Path>,
    pub(super) touched: Vec<ClientId>,
    pub(super) unsent: usize,
}

impl Data {
    /// No key, and nobody who watches.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            store: Store::new(&limits),
            watches: Watches::default(),
            log: Log::new(),
            changed: Vec::new(),
            touched: Vec::new(),
            unsent: 0,
        }
    }

    /// Writes a key and notes the change; false: the value is none, or the store is full.
    pub(crate) fn write(&mut self, path: Path, untrusted_value: &[u8]) -> bool {
        let Ok(value) = Value::parse(untrusted_value) else {
            return false;
        };
        let written = self.store.write(path, value).is_ok();
        match written {
            true => self.changed.push(path),
            false => self
                .log
                .line("a limit on keys or their bytes is reached: a write is refused"),
        }
        written
    }

    /// Removes a key or a folder and notes the change; false: there was none.
    pub(crate) fn remove(&mut self, path: &Path) -> bool {
        let removed = self.store.remove(path);
        if removed {
            self.changed.push(*path);
        }
        removed
    }
}
