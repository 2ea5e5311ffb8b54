//! What the kernel knows of disks, in `/sys/dev/block` (sysfs(5)).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use program::mounts::{Mount, table};
use rustix::fs::{major, minor};

/// Levels of devices below a device (encryption on a volume on a RAID and so on) that are looked at.
const MAX_LEVELS: usize = 16;

/// The number of a block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) major: u32,
    pub(super) minor: u32,
}

/// Where the kernel says it.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// `/sys`.
    pub(super) sysfs: PathBuf,
    /// `/proc/self/mountinfo`.
    pub(super) mounts: PathBuf,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            sysfs: "/sys".into(),
            mounts: "/proc/self/mountinfo".into(),
        }
    }
}

impl Kernel {
    /// The first of `folders` that is on the same disk as the device `number`.
    ///
    /// A partition is on a disk, and so is what is made of partitions: an encrypted volume, a RAID, a
    /// loop device whose file is there.
    pub(super) fn first_on_same_disk<'f>(
        &self,
        number: Number,
        folders: &[&'f Path],
    ) -> Option<&'f Path> {
        let device = self.folder_of(number)?;
        let disk = whole(&device);
        let is_on_it = |folder: &&&Path| {
            let mut below = BTreeSet::new();
            for device in self.devices_of(folder) {
                self.add_with_below(device, &mut below, MAX_LEVELS);
            }
            below.contains(&device) || below.contains(&disk)
        };
        folders.iter().find(is_on_it).copied()
    }

    /// The maker and model of the disk, as the disk says.
    pub(super) fn untrusted_model(&self, number: Number) -> Vec<u8> {
        let Some(disk) = self.folder_of(number).map(|device| whole(&device)) else {
            return Vec::new();
        };
        let words = ["device/vendor", "device/model"].map(|name| {
            let text = fs::read(disk.join(name)).unwrap_or_default();
            text.trim_ascii().to_vec()
        });
        words.join(&b' ').trim_ascii().to_vec()
    }

    /// The folder of a block device in sysfs.
    fn folder_of(&self, number: Number) -> Option<PathBuf> {
        let Number { major, minor } = number;
        let link = self.sysfs.join(format!("dev/block/{major}:{minor}"));
        fs::canonicalize(link).ok()
    }

    /// The devices that the file system of `path` is on: by its number, and by what the mount says.
    /// btrfs and overlays have numbers that belong to no device.
    fn devices_of(&self, path: &Path) -> Vec<PathBuf> {
        let Ok(metadata) = fs::metadata(path) else {
            return Vec::new();
        };
        let by_number = self.folder_of(split(metadata.dev()));
        let by_mount = self.source_of_mount(path).and_then(|source| {
            let metadata = fs::metadata(source).ok()?;
            self.folder_of(split(metadata.rdev()))
        });
        by_number.into_iter().chain(by_mount).collect()
    }

    /// What is mounted where `path` is: the source of the last mount whose place holds it
    /// (proc_pid_mountinfo(5)).
    fn source_of_mount(&self, path: &Path) -> Option<PathBuf> {
        let path = fs::canonicalize(path).ok()?;
        // One mount with a name in another encoding must not hide all others.
        let text = fs::read(&self.mounts).ok()?;
        let holds = |mount: &Mount| path.starts_with(&mount.point) && mount.source.is_absolute();
        let mounts = table(&text).filter(holds);
        let last_of_longest = mounts.max_by_key(|mount| mount.point.as_os_str().len());
        last_of_longest.map(|mount| mount.source)
    }

    fn add_with_below(&self, device: PathBuf, found: &mut BTreeSet<PathBuf>, levels: usize) {
        let disk = whole(&device);
        let slaves = fs::read_dir(disk.join("slaves"));
        let mut below: Vec<PathBuf> = slaves
            .into_iter()
            .flatten()
            .filter_map(|slave| fs::canonicalize(slave.ok()?.path()).ok())
            .collect();
        // The file of a loop device ends in a newline here, as everything in sysfs does.
        if let Ok(file) = fs::read(disk.join("loop/backing_file")) {
            let file = file.strip_suffix(b"\n").unwrap_or(&file);
            below.extend(self.devices_of(Path::new(OsStr::from_bytes(file))));
        }
        let is_new = found.insert(disk);
        found.insert(device);
        if is_new && levels > 0 {
            for device in below {
                self.add_with_below(device, found, levels - 1);
            }
        }
    }
}

/// The disk that a partition is on; anything else itself.
fn whole(device: &Path) -> PathBuf {
    let disk = device
        .parent()
        .filter(|_| device.join("partition").exists());
    disk.unwrap_or(device).to_owned()
}

fn split(device: u64) -> Number {
    Number {
        major: major(device),
        minor: minor(device),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A sysfs in which the temporary folder is on a device that `arrange` puts together, and a
    /// device 77:1 beside it.
    struct Machine {
        home: tempfile::TempDir,
        kernel: Kernel,
    }

    impl Machine {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            let kernel = Kernel {
                sysfs: home.path().join("sys"),
                mounts: home.path().join("mountinfo"),
            };
            fs::create_dir_all(kernel.sysfs.join("dev/block")).unwrap();
            fs::write(&kernel.mounts, "").unwrap();
            Self { home, kernel }
        }

        fn device(&self, path: &str, number: Option<Number>) -> PathBuf {
            let folder = self.kernel.sysfs.join("devices").join(path);
            fs::create_dir_all(&folder).unwrap();
            if let Some(Number { major, minor }) = number {
                let link = format!("dev/block/{major}:{minor}");
                symlink(&folder, self.kernel.sysfs.join(link)).unwrap();
            }
            folder
        }

        fn partition(&self, path: &str, number: Option<Number>) -> PathBuf {
            let folder = self.device(path, number);
            fs::write(folder.join("partition"), "1\n").unwrap();
            folder
        }

        /// The number of the file system that the temporary folder is on.
        fn home_number(&self) -> Number {
            split(fs::metadata(self.home.path()).unwrap().dev())
        }

        fn is_refused(&self, number: Number) -> bool {
            let home = self.home.path();
            self.kernel.first_on_same_disk(number, &[home]) == Some(home)
        }
    }

    const OTHER: Number = Number {
        major: 77,
        minor: 1,
    };

    #[test]
    fn a_partition_beside_the_one_that_holds_a_folder_is_on_its_disk() {
        let machine = Machine::new();
        machine.partition("sda/sda1", Some(machine.home_number()));
        machine.partition("sda/sda2", Some(OTHER));
        assert!(machine.is_refused(OTHER));
        assert!(machine.is_refused(machine.home_number()));
    }

    #[test]
    fn a_whole_disk_is_the_disk_of_its_partitions() {
        let machine = Machine::new();
        machine.partition("sda/sda1", Some(machine.home_number()));
        machine.device("sda", Some(OTHER));
        assert!(machine.is_refused(OTHER));
    }

    #[test]
    fn what_an_encrypted_volume_is_on_holds_what_is_in_it() {
        let machine = Machine::new();
        let volume = machine.device("dm-0", Some(machine.home_number()));
        let lower = machine.device("dm-1", None);
        let partition = machine.partition("sda/sda3", None);
        for (volume, slave) in [(&volume, &lower), (&lower, &partition)] {
            fs::create_dir(volume.join("slaves")).unwrap();
            symlink(slave, volume.join("slaves").join("one")).unwrap();
        }
        machine.device("sda", Some(OTHER));
        assert!(machine.is_refused(OTHER));
    }

    /// Files of btrfs have the number of no device, so that the mount has to tell.
    #[test]
    fn a_mount_with_a_name_that_is_no_text_hides_no_other() {
        let machine = Machine::new();
        let home = machine.home.path();
        let place = fs::canonicalize(home).unwrap();
        let lines = [
            b"20 1 0:20 / /media/caf\xE9 rw - ext4 /no/such rw\nrubbish\n".to_vec(),
            format!("21 1 0:21 / {} rw - btrfs /dev/disk rw\n", place.display()).into_bytes(),
            b"22 1 0:22 / / rw - ext4 /no/such rw\n".to_vec(),
        ];
        fs::write(&machine.kernel.mounts, lines.concat()).unwrap();
        let source = machine.kernel.source_of_mount(home);
        assert_eq!(source, Some(PathBuf::from("/dev/disk")));
    }

    #[test]
    fn a_mount_with_blanks_in_its_names_is_found() {
        let machine = Machine::new();
        let place = machine.home.path().join("a disk");
        fs::create_dir(&place).unwrap();
        let place = fs::canonicalize(place).unwrap();
        let written = place.display().to_string().replace(' ', "\\040");
        let lines = format!(
            "20 1 0:20 / / rw - ext4 /dev/other rw\n\
             21 1 0:21 / {written} rw - btrfs /dev/my\\040disk rw\n"
        );
        fs::write(&machine.kernel.mounts, lines).unwrap();
        let source = machine.kernel.source_of_mount(&place);
        assert_eq!(source, Some(PathBuf::from("/dev/my disk")));
    }

    #[test]
    fn another_disk_is_not_refused() {
        let machine = Machine::new();
        machine.partition("sda/sda1", Some(machine.home_number()));
        machine.partition("sdb/sdb1", Some(OTHER));
        assert!(!machine.is_refused(OTHER));
        let unknown = Number {
            major: 77,
            minor: 2,
        };
        assert!(!machine.is_refused(unknown));
    }

    #[test]
    fn the_model_is_what_the_disk_says_without_the_padding() {
        let machine = Machine::new();
        let disk = machine.device("sdb", None);
        machine.partition("sdb/sdb1", Some(OTHER));
        fs::create_dir(disk.join("device")).unwrap();
        fs::write(disk.join("device/vendor"), "ACME    \n").unwrap();
        fs::write(disk.join("device/model"), b"Stick \x1b[31m  \n").unwrap();
        let model = machine.kernel.untrusted_model(OTHER);
        assert_eq!(model, b"ACME Stick \x1b[31m");
    }
}
