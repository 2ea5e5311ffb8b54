//! The device of the root file system, which has to become larger before the file system can.
//!
//! It is the disk itself, the third partition of the disk, or a mapping of the disk.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use program::failure::Failure;
use rustix::fs::{major, minor};

use super::Device;
use super::mapping::Table;
use super::partitions::{self, Last};
use super::steps::Step;

/// The partition of the root file system.
const PARTITION: u64 = 3;
/// The size of a sector in the tables of mappings and in the files of the kernel, in bytes.
const SECTOR: u64 = 512;

/// What the device of the root file system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    /// The disk.
    Disk,
    /// The partition [`PARTITION`] of the disk.
    Partition,
    /// A mapping.
    Mapping,
    /// Something else.
    Other,
}

/// Makes the device of the root file system as large as its disk allows.
///
/// # Errors
/// It is none of the three, its disk is used in another way, or the step that is named failed.
pub(super) fn enlarge(root: &Path, disk: &Path) -> Result<(), Failure> {
    let on_disk = Device::open(disk)?;
    let number = Device::open(root)?.number;
    let sysfs = Sysfs::of_this_machine();
    match kind(number, on_disk.number, &sysfs) {
        Root::Disk => Ok(()),
        Root::Partition => {
            let partition = OfPartition {
                disk,
                len: on_disk.len,
                known: sysfs.len(number),
            };
            partition.grow(Step::new).map(|()| settle())
        }
        Root::Mapping => mapping(root, &on_disk),
        Root::Other => Err(cannot(root).because(format_args!(
            "it is neither {}, nor partition {PARTITION} of it, nor a mapping",
            text::file(disk)
        ))),
    }
}

fn cannot(root: &Path) -> Failure {
    Failure::new(format_args!("cannot make {} larger", text::file(root)))
        .advise("nothing was changed; resize it by hand")
}

/// What the kernel tells about devices.
struct Sysfs(PathBuf);

impl Sysfs {
    fn of_this_machine() -> Self {
        Self("/sys/dev/block".into())
    }

    fn folder(&self, number: u64) -> PathBuf {
        self.0.join(format!("{}:{}", major(number), minor(number)))
    }

    /// The size of a device in bytes.
    fn len(&self, number: u64) -> Option<u64> {
        let sectors = fs::read_to_string(self.folder(number).join("size")).ok()?;
        sectors.trim().parse::<u64>().ok()?.checked_mul(SECTOR)
    }
}

fn kind(root: u64, disk: u64, sysfs: &Sysfs) -> Root {
    if root == disk {
        return Root::Disk;
    }
    let folder = sysfs.folder(root);
    if folder.join("dm").is_dir() {
        return Root::Mapping;
    }
    let number = fs::read_to_string(folder.join("partition")).unwrap_or_default();
    // The folder of a partition is in that of its disk.
    let of_disk = fs::canonicalize(sysfs.folder(disk)).ok();
    let above = fs::canonicalize(&folder).ok();
    let above = above.as_deref().and_then(Path::parent);
    match number.trim().parse() == Ok(PARTITION) && above.is_some() && above == of_disk.as_deref() {
        true => Root::Partition,
        false => Root::Other,
    }
}

/// The disk of a partition.
struct OfPartition<'a> {
    disk: &'a Path,
    /// Its size in bytes.
    len: u64,
    /// The size of the partition in bytes, as the kernel knows it.
    known: Option<u64>,
}

impl OfPartition<'_> {
    /// Grows the partition. `find` gives the programs that do it.
    fn grow(&self, find: impl Fn(&'static str) -> Result<Step, Failure>) -> Result<(), Failure> {
        let disk = self.disk;
        let shown = text::file(disk);
        let told = find("sfdisk")?.arg("--json").arg(disk).run()?;
        let cannot = |why: &dyn Display| {
            Failure::new(format_args!(
                "cannot make partition {PARTITION} of {shown} larger"
            ))
            .because(why)
        };
        let judged = partitions::judge(&told, PARTITION, self.len).map_err(|unfit| {
            cannot(&unfit).advise(
                "nothing was changed; change the partitions by hand, for example with cfdisk",
            )
        })?;
        // The file system would grow over the end that the table gives it after the next start.
        if let Some(known) = self.known.filter(|known| *known > judged.len) {
            return Err(cannot(&format_args!(
                "it has {} in the table on the disk, and the kernel knows {}",
                super::shown(judged.len),
                super::shown(known)
            ))
            .advise("nothing was changed; compare the two with lsblk and \"sfdisk --dump\""));
        }
        let is_whole = judged.last == Last::Whole;
        // A call that was stopped between the two steps has changed the table alone.
        if is_whole && self.known == Some(judged.len) {
            return Ok(());
        }
        let number = PARTITION.to_string();
        let write = find("sfdisk")?
            .arg("--no-reread")
            .arg("--no-tell-kernel")
            .arg("-N")
            .arg(&number)
            .arg(disk);
        let write_by_hand = format!("echo ', +' | {}", write.shown());
        // Without it, the table would be changed and the kernel not.
        let tell = find("partx").map_err(|missing| {
            let (state, by_hand) = match is_whole {
                true => (
                    "the table on the disk has been changed already, and the kernel does not know it",
                    format!(
                        "by hand, run as root in this qube: partx --update --nr {number} {shown}\n\
                         without partx, restart this qube"
                    ),
                ),
                false => (
                    "nothing was changed",
                    format!(
                        "without partx, run as root in this qube: {write_by_hand}\n\
                         then restart this qube"
                    ),
                ),
            };
            missing.advise(format_args!(
                "{state}; install the package util-linux in the template of this qube\n{by_hand}\n\
                 then resize the file system again"
            ))
        })?;
        if !is_whole {
            by_hand(write_by_hand, write.run_with(", +\n"))?;
        }
        // The partition is in use, so that the kernel cannot read the whole table again.
        let tell = tell.arg("--update").arg("--nr").arg(&number).arg(disk);
        by_hand(tell.shown().to_owned(), tell.run())
    }
}

/// Waits until udev has seen the change, if there is udev.
fn settle() {
    if let Ok(settle) = Step::new("udevadm") {
        let _without_it = settle.arg("settle").run();
    }
}

fn mapping(root: &Path, on_disk: &Device) -> Result<(), Failure> {
    let told = Step::new("dmsetup")?.arg("table").arg(root).run()?;
    let disk = format!("{}:{}", major(on_disk.number), minor(on_disk.number));
    let table = Table::parse(&told, &disk).ok_or_else(|| {
        cannot(root).because("its table is not that of one whole disk, linear or a snapshot")
    })?;
    let sectors = on_disk.len / SECTOR;
    if sectors < table.sectors {
        return Err(cannot(root).because(format_args!(
            "it has {} sectors, and its disk has only {sectors}",
            table.sectors
        )));
    }
    if sectors == table.sectors {
        return Ok(());
    }
    let load = Step::new("dmsetup")?.arg("load").arg(root);
    let shown = format!(
        "echo '{}' | {}",
        table.with_sectors(sectors).trim(),
        load.shown()
    );
    by_hand(shown, load.run_with(&table.with_sectors(sectors)))?;
    let resume = Step::new("dmsetup")?.arg("resume").arg(root);
    by_hand(resume.shown().to_owned(), resume.run())?;
    settle();
    Ok(())
}

/// Adds how to go on by hand to the failure of a step.
fn by_hand(shown: String, result: Result<Vec<u8>, Failure>) -> Result<(), Failure> {
    let told = result.map_err(|failure| {
        failure.advise(format_args!(
            "to go on by hand, run as root in this qube: {shown}\nthen resize the file system again"
        ))
    });
    told.map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::makedev;

    use super::*;

    #[test]
    fn a_root_is_the_disk_its_third_partition_or_a_mapping() {
        let made_up = tempfile::tempdir().unwrap();
        let devices = made_up.path().join("devices");
        let folder = |path: &str| fs::create_dir_all(devices.join(path)).unwrap();
        folder("xvda/xvda3");
        folder("xvda/xvda1");
        folder("xvdb/xvdb3");
        folder("dm-0/dm");
        for (path, number) in [
            ("xvda/xvda3", "3\n"),
            ("xvda/xvda1", "1\n"),
            ("xvdb/xvdb3", "3\n"),
        ] {
            fs::write(devices.join(path).join("partition"), number).unwrap();
        }
        let numbers = made_up.path().join("block");
        fs::create_dir(&numbers).unwrap();
        for (number, path) in [
            ("202:0", "xvda"),
            ("202:1", "xvda/xvda1"),
            ("202:3", "xvda/xvda3"),
            ("202:16", "xvdb"),
            ("202:19", "xvdb/xvdb3"),
            ("253:0", "dm-0"),
        ] {
            symlink(devices.join(path), numbers.join(number)).unwrap();
        }
        let sysfs = Sysfs(numbers);
        let disk = makedev(202, 0);
        let kind_of = |major, minor| kind(makedev(major, minor), disk, &sysfs);
        assert_eq!(kind_of(202, 0), Root::Disk);
        assert_eq!(kind_of(202, 3), Root::Partition);
        assert_eq!(kind_of(253, 0), Root::Mapping);
        for (major, minor) in [(202, 1), (202, 16), (202, 19), (7, 0)] {
            assert_eq!(kind_of(major, minor), Root::Other, "{major}:{minor}");
        }
    }

    #[test]
    fn the_kernel_counts_in_sectors() {
        let made_up = tempfile::tempdir().unwrap();
        let device = made_up.path().join("202:3");
        fs::create_dir(&device).unwrap();
        let sysfs = Sysfs(made_up.path().to_owned());
        assert_eq!(sysfs.len(makedev(202, 3)), None);
        fs::write(device.join("size"), "2048\n").unwrap();
        assert_eq!(sysfs.len(makedev(202, 3)), Some(1 << 20));
    }

    const MIB: u64 = 1 << 20;

    /// The image of a disk whose third partition can grow, and the programs: a real sfdisk, and a script
    /// for partx, since an image has no partitions in the kernel.
    struct Image {
        folder: tempfile::TempDir,
    }

    impl Image {
        /// `None` without sfdisk.
        fn new() -> Option<Self> {
            let folder = tempfile::tempdir().unwrap();
            let image = fs::File::create(folder.path().join("image")).unwrap();
            image.set_len(64 * MIB).unwrap();
            let this = Self { folder };
            let make = Step::new("sfdisk").ok()?.arg("--quiet").arg(this.path());
            make.run_with("label: dos\nsize=1M\nsize=1M\n, +\n")
                .unwrap();
            image.set_len(128 * MIB).unwrap();
            Some(this)
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("image")
        }

        fn judged(&self) -> partitions::Judged {
            let ask = Step::new("sfdisk").unwrap().arg("--json").arg(self.path());
            partitions::judge(&ask.run().unwrap(), PARTITION, 128 * MIB).unwrap()
        }

        /// Grows the third partition with a partx that ends with this status; `None`: without one.
        fn grow(&self, known: u64, status: Option<u8>) -> Result<(), Failure> {
            let partx = self.folder.path().join("partx");
            if let Some(status) = status {
                let calls = self.folder.path().join("calls");
                let text = format!("echo \"$@\" >>'{}'\nexit {status}", calls.display());
                fs::write(&partx, text).unwrap();
            }
            let path = self.path();
            let disk = OfPartition {
                disk: &path,
                len: 128 * MIB,
                known: Some(known),
            };
            disk.grow(|name| match (name, status) {
                ("partx", None) => Step::new("no-such-program"),
                // A script that was just written cannot be run itself while another test forks.
                ("partx", Some(_)) => Ok(Step::at("partx", Path::new("/bin/sh")).arg(&partx)),
                _ => Step::new(name),
            })
        }

        fn calls(&self) -> usize {
            let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
            let right = format!("--update --nr 3 {}", self.path().display());
            assert!(calls.lines().all(|call| call == right), "{calls}");
            calls.lines().count()
        }
    }

    #[test]
    fn a_partition_does_not_grow_in_the_table_alone() {
        let Some(image) = Image::new() else {
            return;
        };
        let before = image.judged();
        assert_eq!(before.last, Last::CanGrow);
        // Without partx the table stays as it is.
        let missing = image.grow(before.len, None).unwrap_err();
        let advice = missing.advice().unwrap();
        assert!(advice.starts_with("nothing was changed; "), "{advice}");
        assert!(
            advice.contains("echo ', +' | sfdisk --no-reread "),
            "{advice}"
        );
        assert_eq!(image.judged(), before);
        // partx fails; so it is called again the next time, though the table is right by then.
        for calls in [1, 2] {
            let failed = image.grow(before.len, Some(7)).unwrap_err();
            assert_eq!(failed.status(), 7);
            assert_eq!(image.calls(), calls);
        }
        let after = image.judged();
        assert_eq!(after.last, Last::Whole);
        assert!(after.len > before.len);
        let missing = image.grow(before.len, None).unwrap_err();
        let advice = missing.advice().unwrap();
        assert!(advice.contains("has been changed already"), "{advice}");
        assert!(advice.contains("partx --update --nr 3 \"/"), "{advice}");
        image.grow(before.len, Some(0)).unwrap();
        assert_eq!(image.calls(), 3);
        let larger = image.grow(after.len + 512, Some(0)).unwrap_err();
        assert!(
            larger.reason().contains("and the kernel knows "),
            "{larger}"
        );
        assert_eq!(image.calls(), 3);
        // The kernel knows it now.
        image.grow(after.len, None).unwrap();
        assert_eq!(image.calls(), 3);
    }
}
