//! Which block devices are in use: mounted, used for swapping, or attached to another qube.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use program::bounded;
use program::mounts::{table, unescaped};
use program::programs::find_in_path;
use rustix::fs::{FileType, major, minor, stat};

use crate::backend;
use crate::system::{Number, System, number};

/// Where `dmsetup` is, for the short `PATH` of udev's programs.
const DMSETUP: [&str; 2] = ["/usr/sbin/dmsetup", "/sbin/dmsetup"];

/// How long `dmsetup` may take. Other events wait meanwhile; it answers in milliseconds, unless the
/// kernel holds the device.
const LIMIT: Duration = Duration::from_secs(5);

/// The devices in use, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    mounted: BTreeSet<Number>,
    swapped_to: BTreeSet<Number>,
    attached: BTreeSet<Number>,
    unknown: Option<&'static str>,
}

impl Usage {
    /// Looks.
    pub(crate) fn now(system: &System) -> Self {
        let root = system.root();
        let read = |path: &str| fs::read(root.join(path)).ok();
        let of_path = |path: &[u8]| device(root, path);
        let (mountinfo, swaps) = (read("proc/self/mountinfo"), read("proc/swaps"));
        let (attached, are_all) = attached(root);
        let unknown = match (&mountinfo, &swaps, are_all) {
            (None, _, _) => Some("what is mounted cannot be read from \"/proc/self/mountinfo\""),
            (_, None, _) => Some("what is used for swapping cannot be read from \"/proc/swaps\""),
            (_, _, false) => Some("it is not known which disk Xen gives to another qube"),
            (Some(_), Some(_), true) => None,
        };
        Self {
            mounted: mounted(&mountinfo.unwrap_or_default(), of_path),
            swapped_to: swapped_to(&swaps.unwrap_or_default(), of_path),
            attached,
            unknown,
        }
    }

    /// Why a device that is not known to be in use may be in use all the same; `None`: it is free.
    pub(crate) fn unknown(&self) -> Option<&'static str> {
        self.unknown
    }

    /// Is the device attached to another qube?
    pub(crate) fn is_attached(&self, device: Number) -> bool {
        self.attached.contains(&device)
    }

    /// How this qube uses the device; `None`: not at all.
    pub(crate) fn of(&self, system: &System, name: &str, device: Number) -> Option<&'static str> {
        if self.mounted.contains(&device) {
            Some("it is mounted")
        } else if self.swapped_to.contains(&device) {
            Some("it is used for swapping")
        } else if !system.holders(name).is_empty() {
            Some("another device consists of it")
        } else if system.attribute(name, "dm/name").is_some() && is_open(device) {
            Some("it is open")
        } else {
            None
        }
    }
}

/// The devices of mounts (`proc_pid_mountinfo(5)`): their number, and the source, because some file
/// systems have numbers of their own.
fn mounted(mountinfo: &[u8], of_path: impl Fn(&[u8]) -> Option<Number>) -> BTreeSet<Number> {
    let mut devices = BTreeSet::new();
    for mount in table(mountinfo) {
        devices.extend(number(mount.number.as_bytes(), 10));
        devices.extend(of_path(mount.source.as_os_str().as_bytes()));
    }
    devices
}

/// The devices of swap areas (`proc_swaps(5)`); files are none.
fn swapped_to(swaps: &[u8], of_path: impl Fn(&[u8]) -> Option<Number>) -> BTreeSet<Number> {
    let lines = swaps.split(|byte| *byte == b'\n').skip(1);
    let paths = lines.filter_map(|line| line.split(u8::is_ascii_whitespace).next());
    let paths = paths.map(unescaped);
    paths
        .filter_map(|path| of_path(path.as_os_str().as_bytes()))
        .collect()
}

/// The number of the block device at a path.
fn device(root: &Path, path: &[u8]) -> Option<Number> {
    let relative = path.strip_prefix(b"/dev/")?;
    let path = root.join("dev").join(OsStr::from_bytes(relative));
    let found = stat(&path).ok()?;
    let is_device = FileType::from_raw_mode(found.st_mode) == FileType::BlockDevice;
    is_device.then(|| (major(found.st_rdev), minor(found.st_rdev)))
}

/// The devices that Xen has given to other qubes, and whether these are all.
fn attached(root: &Path) -> (BTreeSet<Number>, bool) {
    let mut numbers = BTreeSet::new();
    let backends = match fs::read_dir(root.join(backend::DRIVER)) {
        Ok(backends) => backends,
        // No Xen, or no disk was ever given away.
        Err(error) => return (numbers, error.kind() == ErrorKind::NotFound),
    };
    let mut are_all = true;
    for entry in backends {
        let Ok(entry) = entry else {
            are_all = false;
            continue;
        };
        if !entry.file_name().as_bytes().starts_with(b"vbd-") {
            continue;
        }
        let text = fs::read(entry.path().join(backend::DEVICE)).ok();
        match text.and_then(|text| number(text.trim_ascii(), 16)) {
            Some(number) => {
                numbers.insert(number);
            }
            // One that is gone meanwhile has given its disk back.
            None => are_all &= !entry.path().exists(),
        }
    }
    (numbers, are_all)
}

/// Is a device of the device mapper open? Only `dmsetup` knows; where it cannot be asked, or gives no
/// answer, yes.
fn is_open(device: Number) -> bool {
    let known = DMSETUP
        .iter()
        .map(Into::into)
        .find(|path: &std::path::PathBuf| path.is_file());
    let Some(program) = known.or_else(|| find_in_path("dmsetup")) else {
        return true;
    };
    let (major, minor) = (device.0.to_string(), device.1.to_string());
    let mut command = Command::new(program);
    command
        .args(["info", "--columns", "--noheadings", "--options", "open"])
        .args(["--major", &major, "--minor", &minor]);
    answers_open(&mut command, Instant::now() + LIMIT)
}

fn answers_open(command: &mut Command, deadline: Instant) -> bool {
    bounded::output(command, deadline).map_or(true, |output| {
        !output.status.success() || output.stdout.trim_ascii() != b"0"
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn none(_path: &[u8]) -> Option<Number> {
        None
    }

    fn known(path: &[u8]) -> Option<Number> {
        (path == b"/dev/my disk").then_some((8, 1))
    }

    #[test]
    fn a_mount_is_known_by_its_number_and_by_its_source() {
        let text = b"\
22 1 7:3 / /mnt rw,relatime shared:1 - ext4 /dev/loop3 rw\n\
23 1 0:40 /@ / rw - btrfs /dev/my\\040disk rw,subvol=/@\n\
24 1 0:5 / /proc rw - proc proc rw\nshort\n\n";
        let expected = BTreeSet::from([(7, 3), (0, 40), (8, 1), (0, 5)]);
        assert_eq!(mounted(text, known), expected);
    }

    #[test]
    fn a_swap_area_is_known_by_its_path() {
        let text = b"Filename Type Size Used Priority\n/dev/my\\040disk partition 1 0 -2\n/file file 1 0 -3\n";
        assert_eq!(swapped_to(text, known), BTreeSet::from([(8, 1)]));
    }

    #[test]
    fn an_attached_disk_is_known_by_its_number_in_hexadecimal() {
        let root = tempfile::tempdir().unwrap();
        let driver = root.path().join("sys/bus/xen-backend/drivers/vbd");
        for (name, text) in [
            ("vbd-5-51712", "7:1f\n"),
            ("vbd-6-51712", "FD:0"),
            ("bind", "8:0"),
        ] {
            fs::create_dir_all(driver.join(name)).unwrap();
            fs::write(driver.join(name).join("physical_device"), text).unwrap();
        }
        let expected = BTreeSet::from([(7, 31), (253, 0)]);
        assert_eq!(attached(root.path()), (expected.clone(), true));
        // One that has no device yet, and one that tells none, may have any.
        fs::create_dir_all(driver.join("vbd-8-51712")).unwrap();
        assert_eq!(attached(root.path()), (expected.clone(), false));
        fs::write(driver.join("vbd-8-51712/physical_device"), "junk").unwrap();
        assert_eq!(attached(root.path()), (expected, false));
    }

    #[test]
    fn what_cannot_be_read_leaves_no_device_free() {
        let root = tempfile::tempdir().unwrap();
        let unknown = || Usage::now(&System::at(root.path())).unknown();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        assert!(unknown().is_some_and(|why| why.contains("mountinfo")));
        fs::write(root.path().join("proc/self/mountinfo"), "").unwrap();
        assert!(unknown().is_some_and(|why| why.contains("swaps")));
        fs::write(root.path().join("proc/swaps"), "").unwrap();
        assert_eq!(unknown(), None);
        let driver = root.path().join(backend::DRIVER);
        fs::create_dir_all(driver.parent().unwrap()).unwrap();
        fs::write(&driver, "").unwrap();
        assert!(unknown().is_some());
    }

    #[test]
    fn a_device_without_an_answer_in_time_is_open() {
        let answer = |script: &str, limit| {
            let mut command = Command::new("sh");
            answers_open(command.args(["-c", script]), Instant::now() + limit)
        };
        let long = Duration::from_secs(600);
        assert!(!answer("echo ' 0'", long));
        assert!(answer("echo 1", long) && answer("echo 0; exit 1", long) && answer(":", long));
        assert!(answer("echo 0; exec tail -f /dev/null", Duration::ZERO));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _read = (mounted(&bytes, none), swapped_to(&bytes, none));
        }
    }
}
