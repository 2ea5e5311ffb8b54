//! Devices that are never published: those that the rules of udev leave out, and files in folders
//! whose owner does not want it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::system::{Number, System};
use crate::udev::Properties;

/// The major number of Xen disks: they belong to another qube already.
const XEN: u32 = 202;

/// A file of this name says that the images in its folder, and below, are not to be published.
const EXCLUDING: &str = ".qubes-exclude-block-devices";

/// Does a rule of udev leave the device out? With `of_event`, udev has judged `UDISKS_IGNORE` itself:
/// the rule that sets it may come later.
pub(crate) fn by_rules(
    name: &str,
    device: Number,
    mapped: Option<&[u8]>,
    properties: &Properties,
    of_event: bool,
) -> bool {
    let is = |property, value: &[u8]| properties.get(property) == value;
    // The rules set it on these themselves, so that file dialogs do not show them.
    let is_set_by_rules = name.starts_with("loop")
        || ["xvda", "xvdb", "xvdc", "xvdd"]
            .iter()
            .any(|disk| name.starts_with(disk));
    let is_mapped = name.starts_with("dm-");
    let is_part_of_snapshot = mapped
        .is_none_or(|mapped| mapped.starts_with(b"snapshot-") || mapped.starts_with(b"origin-"));
    is("UDISKS_IGNORE", b"1") && !of_event && !is_set_by_rules
        || device.0 == XEN
        || is("DM_UDEV_DISABLE_DISK_RULES_FLAG", b"1") && !is("QUBES_EXPORT_BLOCK_DEVICE", b"1")
        || is("QUBES_EXPORT_BLOCK_DEVICE", b"0")
        || is_mapped && is_part_of_snapshot
        || name.starts_with("zram")
}

/// The file behind a loop device; `None`: it has none. `Some(None)` is a device that is no loop.
pub(crate) fn backing_file(system: &System, name: &str) -> Option<Option<Vec<u8>>> {
    if !name.starts_with("loop") {
        return Some(None);
    }
    let file = system.attribute(name, "loop/backing_file");
    file.filter(|file| !file.is_empty()).map(Some)
}

/// Does the owner of the folder of this file not want it to be published?
pub(crate) fn by_folder(root: &Path, file: &[u8]) -> bool {
    // The kernel says so of a file that has no name any more; its folder may have one.
    let file = file.strip_suffix(b" (deleted)").unwrap_or(file);
    let relative = Path::new(OsStr::from_bytes(file.strip_prefix(b"/").unwrap_or(file)));
    let path = root.join(relative);
    path.ancestors()
        .skip(1)
        .take_while(|folder| folder.starts_with(root))
        .any(|folder| folder.join(EXCLUDING).symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn excluded(name: &str, major: u32, properties: &str, of_event: bool) -> bool {
        let properties = Properties::parse(properties.as_bytes());
        let mapped = properties.some("DM_NAME");
        by_rules(name, (major, 0), mapped, &properties, of_event)
    }

    #[test]
    fn the_rules_of_udev_are_kept() {
        for (name, major, properties, of_event, expected) in [
            ("sda", 8, "", false, false),
            ("sda", 8, "E:UDISKS_IGNORE=1\n", false, true),
            ("sda", 8, "E:UDISKS_IGNORE=1\n", true, false),
            ("loop0", 7, "E:UDISKS_IGNORE=1\n", false, false),
            ("xvda", 202, "", true, true),
            ("dm-0", 253, "E:DM_NAME=luks\n", false, false),
            (
                "dm-0",
                253,
                "E:DM_NAME=luks\nE:DM_UDEV_DISABLE_DISK_RULES_FLAG=1\n",
                true,
                true,
            ),
            (
                "dm-0",
                253,
                "E:DM_NAME=luks\nE:DM_UDEV_DISABLE_DISK_RULES_FLAG=1\nE:QUBES_EXPORT_BLOCK_DEVICE=1\n",
                true,
                false,
            ),
            ("sda", 8, "E:QUBES_EXPORT_BLOCK_DEVICE=0\n", true, true),
            ("dm-0", 253, "", true, true),
            ("dm-0", 253, "E:DM_NAME=snapshot-x\n", true, true),
            ("dm-0", 253, "E:DM_NAME=origin-x\n", true, true),
            ("zram0", 252, "", true, true),
        ] {
            assert_eq!(
                excluded(name, major, properties, of_event),
                expected,
                "{name} {properties}"
            );
        }
    }

    #[test]
    fn a_folder_excludes_the_files_in_it_and_below() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("images/deep")).unwrap();
        for file in ["/images/deep/x", "/images/x", "/x", "images/x"] {
            assert!(!by_folder(root, file.as_bytes()), "{file}");
        }
        fs::write(root.join("images").join(EXCLUDING), "").unwrap();
        for file in [
            "/images/deep/x",
            "/images/x",
            "/images/x (deleted)",
            "/images/gone/x",
        ] {
            assert!(by_folder(root, file.as_bytes()), "{file}");
        }
        for file in ["/x", "/images", "/imagesx/y", "/\u{e9}\u{1b}"] {
            assert!(!by_folder(root, file.as_bytes()), "{file}");
        }
    }
}
