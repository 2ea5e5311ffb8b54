//! What the fuzz target does with the bytes that the fuzzer makes up.

use std::path::Path;

use qubesdb::Value;

use crate::block::{describe, is_taken_by_dom0};
use crate::database::Entry;
use crate::system::System;
use crate::udev::Properties;
use crate::usb::{self, BusId};

/// Describes a device of which udev knows these properties, as a disk and as a USB device. The made-up
/// sysfs is written to `root`.
///
/// # Panics
/// When something that must hold does not.
pub fn properties(untrusted: &[u8], root: &Path) {
    let disk = root.join("sys/class/block/sda");
    std::fs::create_dir_all(&disk).expect("it is ours");
    for (name, text) in [
        ("size", &b"8\n"[..]),
        ("ro", b"0\n"),
        ("version", b" 2.00\n"),
    ] {
        std::fs::write(disk.join(name), text).expect("it is ours");
    }
    let mut properties = Properties::parse(untrusted);
    let described = describe(&System::at(root), "sda", &properties);
    assert_is_text(&described.expect("the kernel knows its size"));
    properties.take_in(untrusted);
    let _verdict = usb::judge(&properties, &disk);
    if let Ok(entry) = usb::describe(&properties, &disk) {
        assert_is_text(&entry);
        let words = entry[0].1.split(' ').count();
        assert_eq!(words, 4, "{entry:?}");
    }
    if let Some(id) = BusId::parse(untrusted) {
        assert!(!id.as_str().contains(['/', '.']), "{id:?}");
    }
    if let Ok(name) = std::str::from_utf8(untrusted) {
        assert!(!is_taken_by_dom0(name) || Path::new(name).components().count() == 1);
    }
}

fn assert_is_text(entry: &Entry) {
    for (key, value) in entry {
        let is_text = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(is_text, "{key}: {value}");
        assert!(Value::parse(value.as_bytes()).is_ok(), "{key}: {value}");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_corpus_holds() {
        let root = tempfile::tempdir().unwrap();
        test_support::corpus("device_properties", 4, |input| {
            super::properties(input, root.path());
        });
    }
}
