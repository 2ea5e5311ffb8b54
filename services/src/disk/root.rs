//! The device of the root file system, which has to become larger before the file system can.
//!
//! It is the disk itself, the third partition of the disk, or a mapping of the disk.

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
/// The size of a sector in the tables of mappings, in bytes.
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
    match kind(number, on_disk.number, &Sysfs::of_this_machine()) {
        Root::Disk => Ok(()),
        Root::Partition => partition(disk, &on_disk),
        Root::Mapping => mapping(root, &on_disk),
        Root::Other => Err(cannot(root).because(format_args!(
            "it is neither \"{}\", nor partition {PARTITION} of it, nor a mapping",
            text::path(disk)
        ))),
    }
}

fn cannot(root: &Path) -> Failure {
    Failure::new(format_args!("cannot make \"{}\" larger", text::path(root)))
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

fn partition(disk: &Path, on_disk: &Device) -> Result<(), Failure> {
    let told = Step::new("sfdisk")?.arg("--json").arg(disk).run()?;
    let last = partitions::judge(&told, PARTITION, on_disk.len).map_err(|unfit| {
        Failure::new(format_args!(
            "cannot make partition {PARTITION} of \"{}\" larger",
            text::path(disk)
        ))
        .because(unfit)
        .advise("nothing was changed; change the partitions by hand, for example with cfdisk")
    })?;
    if last == Last::Whole {
        return Ok(());
    }
    let number = PARTITION.to_string();
    let write = Step::new("sfdisk")?
        .arg("--no-reread")
        .arg("--no-tell-kernel")
        .arg("-N")
        .arg(&number)
        .arg(disk);
    by_hand(write.shown().to_owned(), write.run_with(", +\n"))?;
    // The partition is in use, so that the kernel cannot read the whole table again.
    let tell = Step::new("partx")?
        .arg("--update")
        .arg("--nr")
        .arg(&number)
        .arg(disk);
    by_hand(tell.shown().to_owned(), tell.run())?;
    settle();
    Ok(())
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
}
