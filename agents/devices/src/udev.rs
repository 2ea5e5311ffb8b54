//! What udev knows of a device: properties, from the environment of an event or from its database.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Properties of a device. Their values come from hardware and disks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties(BTreeMap<Vec<u8>, Vec<u8>>);

impl Properties {
    /// Those of the device of this event: the environment.
    pub(crate) fn of_event() -> Self {
        let bytes = |text: std::ffi::OsString| text.as_bytes().to_vec();
        Self(
            env::vars_os()
                .map(|(name, value)| (bytes(name), bytes(value)))
                .collect(),
        )
    }

    /// Those that the database has of another device: the file `bMAJOR:MINOR` of a block device,
    /// `cMAJOR:MINOR` of any other. `None`: udev has not seen it, or is not there.
    pub(crate) fn in_database(root: &Path, file: &str) -> io::Result<Option<Self>> {
        let path = root.join("run/udev/data").join(file);
        if !path.try_exists()? {
            return Ok(None);
        }
        Ok(Some(Self::parse(&files::read_small(&path)?)))
    }

    /// Reads a file of the database: the lines `E:NAME=VALUE`.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let lines = text.split(|byte| *byte == b'\n');
        let properties = lines.filter_map(|line| {
            let property = line.strip_prefix(b"E:")?;
            let equals = property.iter().position(|byte| *byte == b'=')?;
            Some((property[..equals].to_vec(), property[equals + 1..].to_vec()))
        });
        Self(properties.collect())
    }

    /// Takes in lines `NAME=VALUE`, such as the file `uevent` of the kernel.
    pub(crate) fn take_in(&mut self, lines: &[u8]) {
        for line in lines.split(|byte| *byte == b'\n') {
            if let Some(equals) = line.iter().position(|byte| *byte == b'=') {
                self.0
                    .insert(line[..equals].to_vec(), line[equals + 1..].to_vec());
            }
        }
    }

    /// Sets a property.
    pub(crate) fn set(&mut self, name: &str, value: &[u8]) {
        self.0.insert(name.as_bytes().to_vec(), value.to_vec());
    }

    /// A property; empty where there is none.
    pub(crate) fn get(&self, name: &str) -> &[u8] {
        self.0.get(name.as_bytes()).map_or(b"", Vec::as_slice)
    }

    /// The same, where an empty one is none.
    pub(crate) fn some(&self, name: &str) -> Option<&[u8]> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lines_of_properties_are_read_and_no_others() {
        let text =
            b"S:disk/by-id/x\nI:123\nE:ID_MODEL=-n (x) = y\nE:EMPTY=\nE:none\nG:systemd\nV:1\n";
        let properties = Properties::parse(text);
        assert_eq!(properties.get("ID_MODEL"), b"-n (x) = y");
        assert_eq!(properties.some("EMPTY"), None);
        assert_eq!(properties.get("none"), b"");
        assert_eq!(properties.0.len(), 2);
    }

    #[test]
    fn a_device_that_udev_has_not_seen_has_none() {
        let root = tempfile::tempdir().unwrap();
        let found = Properties::in_database(root.path(), "b7:0").unwrap();
        assert_eq!(found, None);
        let folder = root.path().join("run/udev/data");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("b7:0"), "E:A=b\n").unwrap();
        let found = Properties::in_database(root.path(), "b7:0")
            .unwrap()
            .unwrap();
        assert_eq!(found.get("A"), b"b");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            all in proptest::collection::btree_map("[A-Z_]{1,9}", "[^\n\0]{0,12}", 0..6),
        ) {
            let lines: String = all.iter().map(|(name, value)| format!("E:{name}={value}\n")).collect();
            let properties = Properties::parse(lines.as_bytes());
            for (name, value) in &all {
                prop_assert_eq!(properties.get(name), value.as_bytes());
            }
            prop_assert_eq!(properties.0.len(), all.len());
        }
    }
}
