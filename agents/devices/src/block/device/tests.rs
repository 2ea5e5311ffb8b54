//! A made-up sysfs with a USB disk of two partitions, a loop device, and what a test adds. The
//! end-to-end tests have real loop devices.

use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use super::*;

const USB_DISK: &str =
    "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host3/target3:0:0/3:0:0:0/block/sda";

struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(tree.path("sys/class/block")).unwrap();
        for file in ["proc/self/mountinfo", "proc/swaps"] {
            tree.write(file, "");
        }
        tree.disk("sda", USB_DISK, "8:0", "2048");
        tree.partition("sda", "sda1", "8:1");
        tree.partition("sda", "sda2", "8:2");
        tree.disk("loop0", "virtual/block/loop0", "7:0", "16");
        tree.write(
            "sys/class/block/loop0/loop/backing_file",
            "/images/disk.img\n",
        );
        tree.know("b7:0", "");
        tree
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn disk(&self, name: &str, path: &str, number: &str, sectors: &str) {
        let folder = format!("sys/devices/{path}");
        for (file, text) in [("dev", number), ("size", sectors), ("ro", "0")] {
            self.write(&format!("{folder}/{file}"), &format!("{text}\n"));
        }
        let link = self.path(&format!("sys/class/block/{name}"));
        symlink(format!("../../devices/{path}"), link).unwrap();
    }

    fn partition(&self, disk: &str, name: &str, number: &str) {
        self.disk(name, &format!("{USB_DISK}/{name}"), number, "1000");
        self.write(&format!("sys/class/block/{disk}/{name}/partition"), "1\n");
        self.know(&format!("b{number}"), "");
    }

    /// udev has seen it.
    fn know(&self, file: &str, lines: &str) {
        self.write(&format!("run/udev/data/{file}"), lines);
    }

    fn attach(&self, number: &str) {
        let file = "sys/bus/xen-backend/drivers/vbd/vbd-5-51712/physical_device";
        self.write(file, number);
    }

    fn system(&self) -> System {
        System::at(self.0.path())
    }

    /// The verdict on a device that is not published.
    fn judge(&self, name: &str, event: &str) -> Verdict {
        self.judge_as(name, Some(event), false)
    }

    fn judge_as(&self, name: &str, event: Option<&str>, is_published: bool) -> Verdict {
        let system = self.system();
        let event = event.map(|lines| Properties::parse(lines.as_bytes()));
        judge(
            &system,
            &Usage::now(&system),
            name,
            event.as_ref(),
            is_published,
        )
    }

    fn published(&self, name: &str, event: &str) -> Vec<String> {
        match self.judge(name, event) {
            Verdict::Publish(entry) => entry.into_iter().map(|(_, value)| value).collect(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_read_is_never_free() {
    let tree = Tree::new();
    for file in ["proc/self/mountinfo", "proc/swaps"] {
        fs::rename(tree.path(file), tree.path("aside")).unwrap();
        for is_published in [true, false] {
            let verdict = tree.judge_as("sda", Some(""), is_published);
            assert!(matches!(verdict, Verdict::Error(_)), "{file}: {verdict:?}");
        }
        fs::rename(tree.path("aside"), tree.path(file)).unwrap();
    }
    tree.attach("8:0");
    let waiting = tree.path("sys/bus/xen-backend/drivers/vbd/vbd-6-51712");
    fs::create_dir(&waiting).unwrap();
    // Whoever has a disk still has it, whatever another is given.
    assert_eq!(tree.judge_as("sda", Some(""), true), Verdict::Keep);
    let verdict = tree.judge_as("loop0", None, true);
    assert!(matches!(verdict, Verdict::Error(_)), "{verdict:?}");
    fs::remove_dir(&waiting).unwrap();
    // A file of udev that is too long to be read.
    tree.know("b7:0", &"E:A=b\n".repeat(200_000));
    let verdict = tree.judge_as("loop0", None, true);
    assert!(matches!(verdict, Verdict::Error(_)), "{verdict:?}");
}

#[test]
fn a_disk_is_described_by_its_model_and_label() {
    let tree = Tree::new();
    let event = "E:ID_MODEL=Flash\nE:ID_FS_LABEL=my disk\nE:ID_TYPE=disk\n";
    assert_eq!(
        tree.published("sda", event),
        ["Flash (my disk)", "1048576", "w", "2-1:1.0"]
    );
    let partition = tree.published("sda1", event);
    assert_eq!(partition, ["Flash (my disk)", "512000", "w", "sda"]);
    assert_eq!(
        tree.published("loop0", ""),
        ["/images/disk.img", "8192", "w", ""]
    );
}

#[test]
fn odd_models_are_published_too() {
    let tree = Tree::new();
    for (event, desc) in [
        ("E:ID_MODEL=-n\nE:ID_FS_LABEL=--x\n", "-n (--x)"),
        ("E:ID_MODEL=A (B) C\nE:ID_FS_LABEL=(x)\n", "A__B__C (_x_)"),
        ("E:ID_MODEL=Gr\u{fc}n\u{1b}[2J\n", "Gr_n_[2J ()"),
        ("", "sda ()"),
    ] {
        assert_eq!(tree.published("sda", event)[0], desc, "{event}");
    }
}

#[test]
fn what_can_only_be_read_is_published_for_reading() {
    let tree = Tree::new();
    let disc = "E:ID_TYPE=cd\nE:ID_CDROM_MEDIA=1\n";
    assert_eq!(tree.published("sda", disc)[2], "r");
    tree.write("sys/class/block/sda/ro", "1\n");
    assert_eq!(tree.published("sda", "")[2], "r");
}

#[test]
fn a_device_of_size_0_is_one() {
    let tree = Tree::new();
    tree.write("sys/class/block/sda/size", "0\n");
    assert_eq!(tree.published("sda", "")[1], "0");
    for odd in [
        "",
        "-1",
        "x",
        "99999999999999999999",
        "18446744073709551615",
    ] {
        tree.write("sys/class/block/sda/size", odd);
        assert!(matches!(tree.judge("sda", ""), Verdict::Error(_)), "{odd}");
    }
    fs::remove_file(tree.path("sys/class/block/sda/size")).unwrap();
    assert!(matches!(tree.judge("sda", ""), Verdict::Error(_)));
}

#[test]
fn a_device_in_use_takes_its_disk_with_it() {
    let tree = Tree::new();
    tree.write(
        "proc/self/mountinfo",
        "22 1 8:1 / /mnt rw - ext4 /dev/x rw\n",
    );
    assert_eq!(tree.judge("sda1", ""), Verdict::Withdraw);
    assert_eq!(tree.judge("sda", ""), Verdict::Withdraw);
    assert!(matches!(tree.judge("sda2", ""), Verdict::Publish(_)));
    tree.write("proc/self/mountinfo", "");
    fs::create_dir_all(tree.path("sys/class/block/sda2/holders/dm-0")).unwrap();
    assert_eq!(tree.judge("sda2", ""), Verdict::Withdraw);
    assert_eq!(tree.judge("sda", ""), Verdict::Withdraw);
    fs::remove_dir(tree.path("sys/class/block/sda2/holders/dm-0")).unwrap();
    // The whole disk.
    tree.write(
        "proc/self/mountinfo",
        "22 1 8:0 / /mnt rw - ext4 /dev/x rw\n",
    );
    for name in ["sda", "sda1", "sda2"] {
        assert_eq!(tree.judge(name, ""), Verdict::Withdraw, "{name}");
    }
}

#[test]
fn an_attached_device_stays_and_its_relatives_go() {
    let tree = Tree::new();
    tree.attach("8:1");
    assert_eq!(tree.judge_as("sda1", Some(""), true), Verdict::Keep);
    assert_eq!(tree.judge_as("sda", Some(""), true), Verdict::Withdraw);
    assert!(matches!(
        tree.judge_as("sda2", Some(""), true),
        Verdict::Publish(_)
    ));
    tree.attach("8:0");
    assert_eq!(tree.judge_as("sda", Some(""), true), Verdict::Keep);
    for name in ["sda1", "sda2"] {
        assert_eq!(
            tree.judge_as(name, Some(""), true),
            Verdict::Withdraw,
            "{name}"
        );
    }
    // In use here as well, which dom0 has to be able to see.
    tree.write(
        "proc/self/mountinfo",
        "22 1 8:0 / /mnt rw - ext4 /dev/x rw\n",
    );
    assert_eq!(tree.judge_as("sda", Some(""), true), Verdict::Keep);
}

#[test]
fn a_device_without_content_is_withdrawn() {
    let tree = Tree::new();
    assert_eq!(tree.judge("sda", "E:ID_TYPE=cd\n"), Verdict::Withdraw);
    assert_eq!(
        tree.judge("sda", "E:ID_TYPE=cd\nE:ID_CDROM_MEDIA=0\n"),
        Verdict::Withdraw
    );
    tree.write("sys/class/block/loop0/loop/backing_file", "");
    assert_eq!(tree.judge("loop0", ""), Verdict::Withdraw);
    fs::remove_file(tree.path("sys/class/block/loop0/loop/backing_file")).unwrap();
    assert_eq!(tree.judge("loop0", ""), Verdict::Withdraw);
    tree.disk("nbd0", "virtual/block/nbd0", "43:0", "8");
    assert_eq!(tree.judge("nbd0", ""), Verdict::Withdraw);
    tree.write("sys/class/block/nbd0/pid", "1\n");
    assert_eq!(tree.published("nbd0", "")[0], "nbd0 ()");
    assert_eq!(tree.judge("sdz", ""), Verdict::Withdraw);
}

#[test]
fn an_image_in_an_excluded_folder_is_withdrawn_with_its_partitions() {
    let tree = Tree::new();
    tree.disk("loop0p1", "virtual/block/loop0/loop0p1", "259:0", "8");
    tree.write("sys/class/block/loop0p1/partition", "1\n");
    assert_eq!(tree.published("loop0p1", "")[0], "/images/disk.img");
    tree.write("images/.qubes-exclude-block-devices", "");
    assert_eq!(tree.judge("loop0", ""), Verdict::Withdraw);
    assert_eq!(tree.judge("loop0p1", ""), Verdict::Withdraw);
}

#[test]
fn what_udev_has_not_judged_is_left_alone() {
    let tree = Tree::new();
    tree.disk("sdb", "virtual/block/sdb", "8:16", "8");
    assert_eq!(tree.judge_as("sdb", None, false), Verdict::Withdraw);
    assert_eq!(tree.judge_as("sdb", None, true), Verdict::Keep);
    tree.know("b8:16", "E:ID_MODEL=Known\n");
    assert!(matches!(
        tree.judge_as("sdb", None, false),
        Verdict::Publish(_)
    ));
    tree.know("b8:16", "E:UDISKS_IGNORE=1\n");
    assert_eq!(tree.judge_as("sdb", None, true), Verdict::Withdraw);
    assert!(matches!(
        tree.judge("sdb", "E:UDISKS_IGNORE=1\n"),
        Verdict::Publish(_)
    ));
}

#[test]
fn the_part_before_the_host_is_the_parent() {
    for (path, parent) in [
        ("/devices/usb2/2-1/2-1:1.0/host3/block/sda", "2-1:1.0"),
        ("/devices/pci/ata1/host0/block/sda", "ata1"),
        ("/devices/virtual/block/loop0", ""),
        ("/host0/block/sda", ""),
        ("/devices/x/hostess/host/block/sda", ""),
        ("", ""),
    ] {
        assert_eq!(before_host(Path::new(path)), parent, "{path}");
    }
}

#[test]
fn whatever_a_disk_says_is_ascii_and_its_first_word_is_the_model() {
    let tree = Tree::new();
    let bytes = || proptest::collection::vec(any::<u8>(), 0..30);
    let mut runner = TestRunner::default();
    let ended = runner.run(&[bytes(), bytes()], |[model, label]| {
        let mut properties = Properties::default();
        properties.set("ID_MODEL", &model);
        properties.set("ID_FS_LABEL", &label);
        let entry = describe(&tree.system(), "sda", &properties).unwrap();
        let desc = &entry[0].1;
        prop_assert!(desc.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let (first, rest) = desc.split_once(' ').unwrap();
        prop_assert!(!first.is_empty() && !first.contains(['(', ')']));
        prop_assert!(rest.starts_with('(') && rest.ends_with(')'));
        Ok(())
    });
    ended.unwrap();
}
