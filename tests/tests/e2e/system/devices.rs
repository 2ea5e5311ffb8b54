//! The publishers of devices, with a real QubesDB. Block devices are real loop devices where the
//! machine has them. USB devices, disks with a model, and the backends of Xen are folders of the test
//! in place of sysfs. The events of udev are made by hand: what it would put into the environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use qfile_tests::cannot_run::needs_program;
use qfile_tests::firewall::Watch;
use qfile_tests::interfaces::{Qube, in_qube};
use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::raw_device::{Loop, needs_loop_devices};
use qfile_tests::user::{mount_tmpfs, needs_private_mounts};

qfile_tests::suite! {
    a_loop_device_is_published_with_one_trigger_behind_its_keys [needs_private_mounts, needs_loop_devices],
    an_event_without_a_change_writes_nothing [needs_private_mounts, needs_loop_devices],
    a_read_only_device_is_published_for_reading [needs_private_mounts, needs_loop_devices],
    an_odd_file_name_is_published_as_text [needs_private_mounts, needs_loop_devices],
    a_device_without_its_file_is_withdrawn [needs_private_mounts, needs_loop_devices],
    a_mounted_device_is_withdrawn [needs_private_mounts, needs_loop_devices, needs_ext4],
    an_excluded_folder_holds_back_partitions_too [needs_private_mounts, needs_partitions],
    what_is_attached_stays_and_its_relatives_go_and_come_back [needs_private_mounts, needs_partitions],
    a_disk_that_xen_gives_away_is_waited_for [needs_private_mounts, needs_partitions],
    a_change_that_dom0_was_not_told_of_is_told [needs_private_mounts],
    what_stands_for_the_parts_of_a_device_is_not_waited_for [needs_private_mounts],
    a_device_is_withdrawn_where_mounts_cannot_be_read [needs_private_mounts],
    a_partition_that_is_gone_frees_its_disk [needs_private_mounts, needs_partitions],
    a_device_is_removed_also_where_it_was_not_published [needs_private_mounts],
    a_model_like_an_option_and_a_size_of_0_are_published [needs_private_mounts],
    a_device_that_cannot_be_described_is_withdrawn [needs_private_mounts],
    names_that_dom0_does_not_take_are_said [needs_private_mounts],
    what_udev_never_sends_is_an_error [needs_private_mounts],
    without_qubesdb_publishing_fails,
    a_usb_device_is_published_and_stays_connected [needs_private_mounts],
    hubs_interfaces_and_devices_of_others_are_not_published [needs_private_mounts],
    a_usb_device_that_cannot_be_described_is_withdrawn [needs_private_mounts],
    all_usb_devices_are_judged_again [needs_private_mounts],
}

fn needs_ext4() -> Result<(), String> {
    needs_program("mkfs.ext4")?;
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let is_known = known.lines().any(|line| line.ends_with("\text4"));
    is_known
        .then_some(())
        .ok_or_else(|| "needs a kernel with ext4".to_owned())
}

fn needs_partitions() -> Result<(), String> {
    needs_loop_devices()?;
    needs_program("addpart")?;
    needs_program("delpart")
}

/// A program with nothing in its environment but what udev knows of a device.
fn event(qube: &Qube, name: &str, words: &str, properties: &[(&str, &str)]) -> Finished {
    let mut command = Command::new(program(name));
    command
        .args(words.split(' '))
        .env_clear()
        .envs(properties.iter().copied())
        .env("QUBESDB_DIR", qube.database.sockets());
    let finished = run(command);
    // udev would take it for properties.
    assert_eq!(finished.stdout, b"");
    finished
}

fn block(qube: &Qube, words: &str, properties: &[(&str, &str)]) -> Finished {
    event(qube, "qubes-block-devices", words, properties)
}

/// What is published of a device: the keys and their values.
fn published(qube: &mut Qube, device: &str) -> BTreeMap<&'static str, String> {
    let keys = ["desc", "size", "mode", "parent"];
    let folder = format!("/qubes-block-devices/{device}");
    let read = keys.map(|key| (key, qube.database.read(&format!("{folder}/{key}"))));
    read.into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

fn is_published(qube: &mut Qube, device: &str) -> bool {
    match published(qube, device).len() {
        0 => false,
        4 => true,
        other => panic!("{other} keys of {device}"),
    }
}

/// A loop device with a file of its own, in a folder of its own.
struct Disk {
    device: Option<Loop>,
    path: String,
    image: PathBuf,
}

impl Disk {
    fn new(image: &str, options: &[&str]) -> Self {
        Self::on(image, |image| Loop::new(image, options))
    }

    fn on(image: &str, attach: impl FnOnce(&Path) -> Loop) -> Self {
        let image = Path::new("/run").join(image);
        fs::create_dir_all(image.parent().unwrap()).unwrap();
        let file = fs::File::create(&image).unwrap();
        file.set_len(4 << 20).unwrap();
        let device = attach(&image);
        Self {
            path: device.path().to_str().unwrap().to_owned(),
            device: Some(device),
            image,
        }
    }

    /// With a partition, which is made by hand: not every kernel reads tables.
    fn with_partition(image: &str) -> Self {
        let disk = Self::new(image, &["--partscan"]);
        tool("addpart", &[disk.path(), "1", "2048", "2048"]);
        disk
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn name(&self) -> &str {
        self.path().strip_prefix("/dev/").unwrap()
    }

    fn partition(&self) -> String {
        format!("{}p1", self.name())
    }

    fn number(&self, name: &str) -> String {
        let number = fs::read_to_string(format!("/sys/class/block/{name}/dev")).unwrap();
        number.trim().to_owned()
    }

    /// udev says that the device is there or has changed.
    fn change(&self, qube: &Qube) -> Finished {
        block(qube, "add-change", &[("DEVNAME", self.path())])
    }

    /// The same of its partition.
    fn change_partition(&self, qube: &Qube) -> Finished {
        let path = format!("/dev/{}", self.partition());
        block(qube, "add-change", &[("DEVNAME", &path)])
    }

    /// udev knows the device, and its partition.
    fn is_known_to_udev(&self) {
        fs::create_dir_all("/run/udev/data").unwrap();
        for name in [self.name().to_owned(), self.partition()] {
            let file = format!("/run/udev/data/b{}", self.number(&name));
            fs::write(file, "E:UDISKS_IGNORE=1\n").unwrap();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Where there is none, it fails. The device may be another's once it is detached.
        if self.device.is_some() {
            let _none = Command::new("delpart").args([self.path(), "1"]).output();
        }
    }
}

fn tool(name: &str, arguments: &[&str]) {
    let mut command = Command::new(name);
    command.args(arguments);
    run(command).assert_code(0);
}

/// In place of `/sys/bus`: the backend of Xen for a device, which another qube uses.
fn attach(number: Option<&str>) {
    let folder = Path::new("/sys/bus/xen-backend/drivers/vbd/vbd-5-51712");
    if !Path::new("/sys/bus/xen-backend/drivers/vbd").exists() {
        mount_tmpfs(Path::new("/sys/bus"), 1 << 20, "");
    }
    let _none = fs::remove_dir_all(folder);
    if let Some(number) = number {
        let (major, minor) = number.split_once(':').unwrap();
        let [major, minor]: [u32; 2] = [major, minor].map(|digits| digits.parse().unwrap());
        fs::create_dir_all(folder).unwrap();
        fs::write(
            folder.join("physical_device"),
            format!("{major:x}:{minor:x}\n"),
        )
        .unwrap();
    }
}

/// The path of the next event must be this one: nothing else was told before.
#[track_caller]
fn assert_next(watch: &mut Watch, path: &str) {
    assert_eq!(watch.next_path(), path);
}

fn a_loop_device_is_published_with_one_trigger_behind_its_keys() {
    in_qube(|qube| {
        let disk = Disk::new("image", &[]);
        let mut all = qube.database.watch("/");
        disk.change(qube).assert_code(0);
        let folder = format!("/qubes-block-devices/{}", disk.name());
        for key in ["desc", "size", "mode", "parent"] {
            assert_next(&mut all, &format!("{folder}/{key}"));
        }
        assert_next(&mut all, "/qubes-block-devices");
        let expected = [
            ("desc", disk.image.to_str().unwrap()),
            ("size", "4194304"),
            ("mode", "w"),
            ("parent", ""),
        ];
        let expected = expected.map(|(key, value)| (key, value.to_owned()));
        assert_eq!(published(qube, disk.name()), BTreeMap::from(expected));
        assert_eq!(
            qube.database.read("/qubes-block-devices").as_deref(),
            Some("")
        );
    });
}

fn an_event_without_a_change_writes_nothing() {
    in_qube(|qube| {
        let disk = Disk::new("image", &[]);
        disk.change(qube).assert_code(0);
        let mut all = qube.database.watch("/");
        disk.change(qube).assert_code(0);
        qube.write(&[("/mark", "")]);
        assert_next(&mut all, "/mark");
        // A key that somebody spoiled is mended, and only that one.
        let key = format!("/qubes-block-devices/{}/size", disk.name());
        qube.write(&[(&key, "1")]);
        disk.change(qube).assert_code(0);
        for path in [&*key, &*key, "/qubes-block-devices"] {
            assert_next(&mut all, path);
        }
    });
}

fn a_read_only_device_is_published_for_reading() {
    in_qube(|qube| {
        let disk = Disk::new("image", &["--read-only"]);
        disk.change(qube).assert_code(0);
        assert_eq!(published(qube, disk.name())["mode"], "r");
    });
}

fn an_odd_file_name_is_published_as_text() {
    in_qube(|qube| {
        let disk = Disk::new("images/-n \"Gr\u{fc}n\" (x)\u{1b}[2J", &[]);
        disk.change(qube).assert_code(0);
        let desc = &published(qube, disk.name())["desc"];
        assert_eq!(desc, "/run/images/-n \"Gr_n\" (x)_[2J");
    });
}

fn a_device_without_its_file_is_withdrawn() {
    in_qube(|qube| {
        let mut disk = Disk::on("image", Loop::last);
        disk.change(qube).assert_code(0);
        let mut trigger = qube.database.watch("/qubes-block-devices");
        drop(disk.device.take());
        disk.change(qube).assert_code(0);
        assert!(!is_published(qube, disk.name()));
        assert_next(&mut trigger, "/qubes-block-devices");
        // Once: it is gone.
        disk.change(qube).assert_code(0);
        qube.write(&[("/qubes-block-devices", "mark")]);
        assert_next(&mut trigger, "/qubes-block-devices");
        assert_eq!(
            qube.database.read("/qubes-block-devices").as_deref(),
            Some("mark")
        );
    });
}

fn a_mounted_device_is_withdrawn() {
    in_qube(|qube| {
        let disk = Disk::new("image", &[]);
        tool("mkfs.ext4", &["-q", disk.path()]);
        disk.change(qube).assert_code(0);
        assert!(is_published(qube, disk.name()));
        let point = Path::new("/run/mounted");
        fs::create_dir(point).unwrap();
        let none = None::<&str>;
        mount(
            Some(disk.path()),
            point,
            Some("ext4"),
            MsFlags::empty(),
            none,
        )
        .unwrap();
        disk.change(qube).assert_code(0);
        assert!(!is_published(qube, disk.name()));
        umount2(point, MntFlags::empty()).unwrap();
        disk.change(qube).assert_code(0);
        assert!(is_published(qube, disk.name()));
    });
}

fn an_excluded_folder_holds_back_partitions_too() {
    in_qube(|qube| {
        let disk = Disk::with_partition("images/deep/image");
        disk.change_partition(qube).assert_code(0);
        disk.change(qube).assert_code(0);
        assert!(is_published(qube, disk.name()));
        let partition = published(qube, &disk.partition());
        assert_eq!(partition["parent"], disk.name());
        assert_eq!(partition["size"], "1048576");
        fs::write("/run/images/.qubes-exclude-block-devices", "").unwrap();
        // The event of one is enough for both.
        disk.change(qube).assert_code(0);
        assert!(!is_published(qube, disk.name()));
        assert!(!is_published(qube, &disk.partition()));
    });
}

fn what_is_attached_stays_and_its_relatives_go_and_come_back() {
    in_qube(|qube| {
        let disk = Disk::with_partition("image");
        disk.is_known_to_udev();
        disk.change_partition(qube).assert_code(0);
        disk.change(qube).assert_code(0);
        let state = |qube: &mut Qube| {
            [disk.name().to_owned(), disk.partition()].map(|name| is_published(qube, &name))
        };
        assert_eq!(state(qube), [true, true]);
        attach(Some(&disk.number(disk.name())));
        disk.change_partition(qube).assert_code(0);
        assert_eq!(state(qube), [true, false]);
        // The event of the backend, when it is given back. It always has dom0 look again.
        attach(None);
        let mut trigger = qube.database.watch("/qubes-block-devices");
        block(qube, "refresh", &[]).assert_code(0);
        assert_next(&mut trigger, "/qubes-block-devices");
        assert_eq!(state(qube), [true, true]);
        attach(Some(&disk.number(&disk.partition())));
        block(qube, "refresh", &[]).assert_code(0);
        assert_eq!(state(qube), [false, true]);
        // Even if its file is gone: whoever has it still has it.
        disk.change_partition(qube).assert_code(0);
        assert_eq!(state(qube), [false, true]);
        attach(None);
        block(qube, "refresh", &[]).assert_code(0);
        assert_eq!(state(qube), [true, true]);
    });
}

/// The event of a backend comes before it tells its disk.
fn a_disk_that_xen_gives_away_is_waited_for() {
    in_qube(|qube| {
        let disk = Disk::with_partition("image");
        disk.is_known_to_udev();
        disk.change_partition(qube).assert_code(0);
        disk.change(qube).assert_code(0);
        attach(Some(&disk.number(disk.name())));
        let file = Path::new("/sys/bus/xen-backend/drivers/vbd/vbd-5-51712/physical_device");
        let number = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        let event = [
            ("SUBSYSTEM", "xen-backend"),
            ("DEVPATH", "/devices/vbd-5-51712"),
        ];
        std::thread::scope(|scope| {
            let refresh = scope.spawn(|| block(qube, "refresh", &event));
            fs::write(file, &number).unwrap();
            refresh.join().unwrap().assert_code(0);
        });
        assert!(is_published(qube, disk.name()));
        assert!(!is_published(qube, &disk.partition()));
        // One that never tells its disk may have any: nothing is free.
        attach(None);
        block(qube, "refresh", &[]).assert_code(0);
        assert!(is_published(qube, &disk.partition()));
        fs::create_dir(file.parent().unwrap()).unwrap();
        let done = disk.change(qube);
        done.assert_code(1);
        done.assert_says("which disk Xen gives to another qube");
        assert!(!is_published(qube, disk.name()));
        assert!(!is_published(qube, &disk.partition()));
    });
}

fn a_change_that_dom0_was_not_told_of_is_told() {
    in_qube(|qube| {
        made_up_disk();
        block(qube, "add-change", &DISK).assert_code(0);
        assert!(!Path::new("/run/qubes-block-devices.untold").exists());
        // As one leaves it that is killed behind its last key.
        fs::write("/run/qubes-block-devices.untold", "").unwrap();
        let mut all = qube.database.watch("/");
        block(qube, "add-change", &DISK).assert_code(0);
        assert_next(&mut all, "/qubes-block-devices");
        block(qube, "add-change", &DISK).assert_code(0);
        qube.write(&[("/mark", "")]);
        assert_next(&mut all, "/mark");
    });
}

/// Others may write to the folder.
fn what_stands_for_the_parts_of_a_device_is_not_waited_for() {
    in_qube(|qube| {
        let cache = Path::new("/run/qubes/block-slave-cache-sdq");
        fs::create_dir_all(cache.parent().unwrap()).unwrap();
        let make: [fn(&Path); 2] = [
            |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
        ];
        for make in make {
            make(cache);
            qube.write(&[("/qubes-block-devices/sdq/desc", "x")]);
            let done = block(qube, "remove", &[("DEVNAME", "/dev/sdq")]);
            done.assert_code(1);
            done.assert_says("cannot read what \"sdq\" consisted of");
            assert!(!qube.database.has("/qubes-block-devices/sdq/desc"));
            assert!(fs::symlink_metadata(cache).is_err());
        }
    });
}

fn a_device_is_withdrawn_where_mounts_cannot_be_read() {
    in_qube(|qube| {
        made_up_disk();
        block(qube, "add-change", &DISK).assert_code(0);
        assert!(is_published(qube, "sdq"));
        mount_tmpfs(Path::new("/proc"), 1 << 20, "");
        let done = block(qube, "add-change", &DISK);
        done.assert_code(1);
        done.assert_says("what is mounted cannot be read");
        assert!(!is_published(qube, "sdq"));
    });
}

fn a_partition_that_is_gone_frees_its_disk() {
    in_qube(|qube| {
        let disk = Disk::with_partition("image");
        disk.is_known_to_udev();
        attach(Some(&disk.number(&disk.partition())));
        disk.change_partition(qube).assert_code(0);
        assert!(!is_published(qube, disk.name()));
        assert!(is_published(qube, &disk.partition()));
        attach(None);
        tool("delpart", &[disk.path(), "1"]);
        let name = disk.partition();
        let path = format!("/devices/virtual/block/{}/{name}", disk.name());
        let device = format!("/dev/{name}");
        let gone = [("DEVNAME", &*device), ("DEVPATH", &path)];
        block(qube, "remove", &gone).assert_code(0);
        assert!(is_published(qube, disk.name()));
        assert!(!is_published(qube, &name));
    });
}

fn a_device_is_removed_also_where_it_was_not_published() {
    in_qube(|qube| {
        let folder = "/qubes-block-devices/sdq";
        let mut trigger = qube.database.watch("/qubes-block-devices");
        for keys in [&["desc", "of-somebody"][..], &[]] {
            for key in keys {
                qube.write(&[(&format!("{folder}/{key}"), "x")]);
            }
            block(qube, "remove", &[("DEVNAME", "/dev/sdq")]).assert_code(0);
            assert_next(&mut trigger, "/qubes-block-devices");
            for key in keys {
                assert_eq!(qube.database.read(&format!("{folder}/{key}")), None);
            }
        }
    });
}

/// In place of `/sys/class`: a disk `sdq`.
fn made_up_disk() {
    mount_tmpfs(Path::new("/sys/class"), 1 << 20, "");
    let folder = Path::new("/sys/class/block/sdq");
    fs::create_dir_all(folder).unwrap();
    for (file, text) in [("dev", "65:0"), ("size", "0"), ("ro", "0")] {
        fs::write(folder.join(file), format!("{text}\n")).unwrap();
    }
}

const DISK: [(&str, &str); 1] = [("DEVNAME", "/dev/sdq")];

fn a_model_like_an_option_and_a_size_of_0_are_published() {
    in_qube(|qube| {
        made_up_disk();
        for (model, label, desc) in [
            ("-n", "--", "-n (--)"),
            ("A (B) C", "(x", "A__B__C (_x)"),
            ("", "", "sdq ()"),
            ("\u{1b}[2J\n", "\u{202e}", "_[2J_ (_)"),
        ] {
            let properties = [DISK[0], ("ID_MODEL", model), ("ID_FS_LABEL", label)];
            block(qube, "add-change", &properties).assert_code(0);
            let all = published(qube, "sdq");
            assert_eq!(
                (&*all["desc"], &*all["size"], &*all["mode"]),
                (desc, "0", "w")
            );
        }
        let disc = [DISK[0], ("ID_TYPE", "cd"), ("ID_CDROM_MEDIA", "1")];
        block(qube, "add-change", &disc).assert_code(0);
        assert_eq!(published(qube, "sdq")["mode"], "r");
        block(qube, "add-change", &disc[..2]).assert_code(0);
        assert!(!is_published(qube, "sdq"));
    });
}

fn a_device_that_cannot_be_described_is_withdrawn() {
    in_qube(|qube| {
        made_up_disk();
        let mut trigger = qube.database.watch("/qubes-block-devices");
        for size in ["", "-1", "x", "18446744073709551615"] {
            fs::write("/sys/class/block/sdq/size", "8\n").unwrap();
            block(qube, "add-change", &DISK).assert_code(0);
            assert!(is_published(qube, "sdq"));
            assert_next(&mut trigger, "/qubes-block-devices");
            fs::write("/sys/class/block/sdq/size", size).unwrap();
            let done = block(qube, "add-change", &DISK);
            done.assert_code(1);
            done.assert_says("qubes-block-devices: cannot describe the device \"sdq\": its size ");
            assert!(!is_published(qube, "sdq"));
            assert_next(&mut trigger, "/qubes-block-devices");
        }
    });
}

fn names_that_dom0_does_not_take_are_said() {
    in_qube(|qube| {
        for name in ["mmcblk0boot0p1", "cciss/c0d0", "SDA"] {
            let path = format!("/dev/{name}");
            let done = block(qube, "add-change", &[("DEVNAME", &path)]);
            done.assert_code(0);
            done.assert_says(&format!(
                "qubes-block-devices: \"{name}\" is not published: dom0 takes"
            ));
            block(qube, "remove", &[("DEVNAME", &path)]).assert_code(0);
        }
        assert_eq!(qube.database.read("/qubes-block-devices"), None);
    });
}

fn what_udev_never_sends_is_an_error() {
    in_qube(|qube| {
        for words in ["add-change", "remove"] {
            let done = block(qube, words, &[]);
            done.assert_code(1);
            done.assert_says("there is no device in the environment");
            for name in [
                "/dev/../etc/passwd",
                "/dev/a b",
                "/dev/\u{1b}[2J",
                "/dev/x/../y",
            ] {
                let done = block(qube, words, &[("DEVNAME", name)]);
                done.assert_code(1);
                done.assert_says("no block device has the name \"");
                assert!(!done.stderr().contains('\u{1b}'));
            }
            event(qube, "qubes-usb-devices", words, &[]).assert_code(1);
            let climbs = [("DEVPATH", "/devices/../../etc/2-1")];
            event(qube, "qubes-usb-devices", words, &climbs).assert_code(1);
        }
    });
}

fn without_qubesdb_publishing_fails() {
    for (name, device) in [
        ("qubes-block-devices", ("DEVNAME", "/dev/sdq")),
        ("qubes-usb-devices", ("DEVPATH", "/devices/usb2/2-1")),
    ] {
        let mut command = Command::new(program(name));
        command
            .arg("remove")
            .env("QUBESDB_DIR", "/no/such/folder")
            .env(device.0, device.1);
        let done = run(command);
        done.assert_code(1);
        assert_eq!(done.stdout, b"");
        done.assert_says(&format!("{name}: cannot "));
    }
}

const USB_PATH: &str = "/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1.4";

const USB: [(&str, &str); 8] = [
    ("DEVPATH", USB_PATH),
    ("DEVTYPE", "usb_device"),
    ("TYPE", "0/0/0"),
    ("ID_VENDOR", "Maker"),
    ("ID_VENDOR_ENC", "-Maker\\x20Inc"),
    ("ID_MODEL_ENC", "--"),
    ("ID_SERIAL_SHORT", "42 \u{fc}"),
    ("ID_USB_INTERFACES", ":080650:"),
];

fn usb(qube: &Qube, words: &str, changed: &[(&str, &str)]) -> Finished {
    let mut properties: BTreeMap<&str, &str> = USB.into();
    properties.extend(changed.iter().copied());
    let properties: Vec<_> = properties.into_iter().collect();
    event(qube, "qubes-usb-devices", words, &properties)
}

/// In place of `/sys/devices` and `/sys/bus`: a device behind a hub.
fn made_up_usb() {
    for folder in ["/sys/devices", "/sys/bus"] {
        mount_tmpfs(Path::new(folder), 1 << 20, "");
    }
    let folder = Path::new("/sys").join(USB_PATH.trim_start_matches('/'));
    fs::create_dir_all(&folder).unwrap();
    for (file, text) in [
        ("version", " 2.10"),
        ("idVendor", "0a5c"),
        ("idProduct", "21e8"),
        ("dev", "189:5"),
        ("uevent", "DEVTYPE=usb_device\nTYPE=0/0/0"),
    ] {
        fs::write(folder.join(file), format!("{text}\n")).unwrap();
    }
    fs::create_dir_all("/sys/bus/usb/devices").unwrap();
    let link = "/sys/bus/usb/devices/2-1.4";
    std::os::unix::fs::symlink(format!("../../..{USB_PATH}"), link).unwrap();
}

fn usb_published(qube: &mut Qube) -> Vec<Option<String>> {
    let keys = ["desc", "usb-ver", "interfaces"];
    let read = keys.map(|key| {
        qube.database
            .read(&format!("/qubes-usb-devices/2-1_4/{key}"))
    });
    read.into()
}

fn a_usb_device_is_published_and_stays_connected() {
    in_qube(|qube| {
        made_up_usb();
        let mut all = qube.database.watch("/");
        usb(qube, "add-change", &[]).assert_code(0);
        let desc = "0a5c:21e8 -Maker\\x20Inc -- 42\\x20\\xc3\\xbc";
        let expected = [desc, "2", ":080650:"].map(|text| Some(text.to_owned()));
        assert_eq!(usb_published(qube), expected);
        for key in ["/2-1_4/desc", "/2-1_4/usb-ver", "/2-1_4/interfaces", ""] {
            assert_next(&mut all, &format!("/qubes-usb-devices{key}"));
        }
        let connected = "/qubes-usb-devices/2-1_4/connected-to";
        qube.write(&[(connected, "work")]);
        assert_next(&mut all, connected);
        usb(qube, "add-change", &[]).assert_code(0);
        usb(qube, "add-change", &[("ID_SERIAL_SHORT", "")]).assert_code(0);
        assert_next(&mut all, "/qubes-usb-devices/2-1_4/desc");
        assert_eq!(qube.database.read(connected).as_deref(), Some("work"));
        assert_next(&mut all, "/qubes-usb-devices");
        usb(qube, "remove", &[]).assert_code(0);
        assert!(!qube.database.has(connected));
        assert_next(&mut all, "/qubes-usb-devices/2-1_4/");
        assert_next(&mut all, "/qubes-usb-devices");
        // What is not there is no reason to look.
        usb(qube, "remove", &[]).assert_code(0);
        qube.write(&[("/mark", "")]);
        assert_next(&mut all, "/mark");
    });
}

fn hubs_interfaces_and_devices_of_others_are_not_published() {
    in_qube(|qube| {
        made_up_usb();
        for changed in [
            ("TYPE", "9/0/1"),
            ("DEVTYPE", "usb_interface"),
            ("DEVPATH", "/devices/platform/vhci_hcd.0/usb3/2-1.4"),
            ("DEVPATH", "/devices/usb2"),
            ("DEVPATH", "/devices/usb2/2-1.4/2-1.4:1.0"),
            ("ID_VENDOR", "QEMU"),
            ("QUBES_EXPORT_USB_DEVICE", "0"),
        ] {
            usb(qube, "add-change", &[changed]).assert_code(0);
            assert_eq!(usb_published(qube), [None, None, None], "{changed:?}");
        }
        assert!(!qube.database.has("/qubes-usb-devices"));
        // The end of a hub comes without its type.
        usb(qube, "remove", &[("TYPE", "")]).assert_code(0);
    });
}

fn a_usb_device_that_cannot_be_described_is_withdrawn() {
    in_qube(|qube| {
        made_up_usb();
        for changed in [
            ("ID_USB_INTERFACES", ":08 06:"),
            ("ID_VENDOR_ID", "zzzz"),
            ("ID_MODEL_ID", "-001"),
        ] {
            usb(qube, "add-change", &[]).assert_code(0);
            assert!(usb_published(qube)[0].is_some());
            let done = usb(qube, "add-change", &[changed]);
            done.assert_code(1);
            done.assert_says("qubes-usb-devices: cannot describe the device \"2-1_4\": it");
            assert_eq!(usb_published(qube), [None, None, None], "{changed:?}");
        }
        let version = Path::new("/sys")
            .join(USB_PATH.trim_start_matches('/'))
            .join("version");
        for text in ["", "0.10", "9", "-2.0"] {
            fs::write(&version, text).unwrap();
            usb(qube, "add-change", &[]).assert_code(1);
            assert_eq!(usb_published(qube), [None, None, None], "{text:?}");
        }
    });
}

fn all_usb_devices_are_judged_again() {
    in_qube(|qube| {
        made_up_usb();
        qube.write(&[("/qubes-usb-devices/3-1/desc", "it is gone")]);
        let refresh = |qube: &Qube| event(qube, "qubes-usb-devices", "refresh", &[]);
        refresh(qube).assert_code(0);
        // udev has not judged it.
        assert_eq!(usb_published(qube), [None, None, None]);
        assert!(!qube.database.has("/qubes-usb-devices/3-1/desc"));
        fs::create_dir_all("/run/udev/data").unwrap();
        fs::write("/run/udev/data/c189:5", "E:ID_MODEL_ENC=Stick\n").unwrap();
        refresh(qube).assert_code(0);
        let expected = ["0a5c:21e8  Stick ", "2", ""].map(|text| Some(text.to_owned()));
        assert_eq!(usb_published(qube), expected);
        fs::write("/run/udev/data/c189:5", "E:QUBES_EXPORT_USB_DEVICE=0\n").unwrap();
        refresh(qube).assert_code(0);
        assert_eq!(usb_published(qube), [None, None, None]);
        // Neither does a hub stay that somebody published.
        qube.write(&[("/qubes-usb-devices/2-1_4/desc", "x")]);
        let uevent = Path::new("/sys")
            .join(USB_PATH.trim_start_matches('/'))
            .join("uevent");
        fs::write(uevent, "DEVTYPE=usb_device\nTYPE=9/0/1\n").unwrap();
        refresh(qube).assert_code(0);
        assert_eq!(usb_published(qube), [None, None, None]);
    });
}
