//! What was done, and has to be undone: lists in `/run`, one item a line, with the names that they have
//! in Qubes OS. A list is replaced whole, so that it is the old or the new one at every moment.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::root::Root;

/// Devices that were taken from their drivers: the address, a blank, and the folder of the driver.
pub(super) const DEVICES: &str = "qubes-suspend-pci-devs-detached";
/// Modules that were removed.
pub(super) const MODULES: &str = "qubes-suspend-modules-loaded";
/// Interfaces that were switched off.
pub(super) const INTERFACES: &str = "qubes-suspend-interfaces-down";

/// A list.
#[derive(Debug)]
pub(super) struct List {
    path: PathBuf,
    items: Vec<String>,
}

impl List {
    /// Reads a list; one that is not there is empty.
    pub(super) fn read(root: &Root, name: &str) -> io::Result<Self> {
        let path = format!("run/{name}");
        let items = root.text(&path)?.lines().map(str::to_owned).collect();
        Ok(Self {
            path: root.path(&path),
            items,
        })
    }

    /// Its items, in the order in which they were added.
    pub(super) fn items(&self) -> &[String] {
        &self.items
    }

    /// Adds an item at the end, unless it is there.
    pub(super) fn add(&mut self, item: &str) -> io::Result<()> {
        if self.items.iter().any(|known| known == item) {
            return Ok(());
        }
        self.items.push(item.to_owned());
        self.write()
    }

    /// Removes an item.
    pub(super) fn remove(&mut self, item: &str) -> io::Result<()> {
        self.items.retain(|known| known != item);
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let new = self.path.with_extension("new");
        // One that a killed process left.
        let _none = fs::remove_file(&new);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        for item in &self.items {
            writeln!(file, "{item}")?;
        }
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_kept_in_order_and_without_doubles() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("run")).unwrap();
        let root = Root::new(folder.path().to_owned());
        let mut list = List::read(&root, DEVICES).unwrap();
        for item in ["b", "a", "b", "c"] {
            list.add(item).unwrap();
        }
        list.remove("a").unwrap();
        let again = List::read(&root, DEVICES).unwrap();
        assert_eq!(again.items(), ["b", "c"]);
        assert_eq!(fs::read_dir(folder.path().join("run")).unwrap().count(), 1);
    }
}
