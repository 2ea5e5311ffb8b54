//! qubes.ResizeDisk, on loop devices with real file systems, made larger by `truncate` and
//! `losetup -c` as dom0 makes a volume larger.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use qfile_tests::cannot_run::needs_program;
use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::raw_device::Loop;
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{in_private_mounts, mount_tmpfs, needs_private_mounts, needs_root};

const MIB: u64 = 1 << 20;

suite! {
    ext4_grows_while_it_is_mounted [needs_loops, needs_private_mounts, needs_ext4, needs_resource],
    xfs_grows_while_it_is_mounted [needs_loops, needs_private_mounts, needs_xfs],
    btrfs_grows_while_it_is_mounted [needs_loops, needs_private_mounts, needs_btrfs],
    ext2_grows_while_it_is_not_mounted [needs_loops],
    what_is_as_large_as_its_device_stays_as_it_is [needs_loops],
    what_is_larger_than_its_device_is_not_touched [needs_loops],
    xfs_and_btrfs_that_are_not_mounted_are_not_touched [needs_loops, needs_xfs, needs_btrfs],
    what_is_no_file_system_is_not_touched [needs_loops],
    a_step_that_fails_is_named_with_its_status [needs_loops],
    root_on_the_disk_itself_grows [needs_loops],
    a_root_that_is_elsewhere_is_refused [needs_loops],
    other_volumes_are_refused,
    a_name_that_is_no_volume_is_refused,
    a_name_that_does_not_end_is_refused,
    a_mount_that_is_covered_is_passed_over [needs_loops, needs_private_mounts, needs_xfs],
    the_service_has_no_argument,
}

pub(crate) fn needs_loops() -> Result<(), String> {
    needs_root()?;
    needs_program("losetup")?;
    needs_program("mkfs.ext4")?;
    let mut find = Command::new("losetup");
    find.arg("--find");
    match run(find).status.success() {
        true => Ok(()),
        false => Err("needs a free loop device".to_owned()),
    }
}

fn needs_kernel(name: &str) -> Result<(), String> {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let is_known = known
        .lines()
        .any(|line| line.trim_end().ends_with(&format!("\t{name}")));
    is_known
        .then_some(())
        .ok_or_else(|| format!("needs a kernel with {name}"))
}

fn needs_ext4() -> Result<(), String> {
    needs_kernel("ext4")
}

fn needs_xfs() -> Result<(), String> {
    needs_program("mkfs.xfs").and_then(|()| needs_kernel("xfs"))
}

fn needs_btrfs() -> Result<(), String> {
    needs_program("mkfs.btrfs").and_then(|()| needs_kernel("btrfs"))
}

/// Only who may take the reserved space of a file system may grow it while it is mounted.
fn needs_resource() -> Result<(), String> {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> CAP_SYS_RESOURCE & 1 == 1)
        .then_some(())
        .ok_or_else(|| "needs CAP_SYS_RESOURCE".to_owned())
}

/// A volume: an image behind a loop device.
pub(crate) struct Volume {
    folder: TempFolder,
    device: Loop,
}

impl Volume {
    /// One of so many bytes, with what `program` makes on it.
    pub(crate) fn new(len: u64, program: &str, options: &[&str]) -> Self {
        let folder = TempFolder::open_to_all();
        let image = folder.path().join("image");
        set_len(&image, len);
        let device = Loop::new(&image, &[]);
        if !program.is_empty() {
            let mut make = Command::new(program);
            make.args(options).arg(device.path());
            run(make).assert_code(0);
        }
        Self { folder, device }
    }

    pub(crate) fn device(&self) -> &Path {
        self.device.path()
    }

    /// Has dom0 change its size.
    pub(crate) fn resize(&self, len: u64) {
        set_len(&self.folder.path().join("image"), len);
        let mut notice = Command::new("losetup");
        notice.arg("-c").arg(self.device());
        run(notice).assert_code(0);
    }

    fn content(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("image")).unwrap()
    }

    pub(crate) fn service(&self) -> Finished {
        let device = self.device().to_str().unwrap();
        ask("private", &["--private", device])
    }

    /// Calls the service while the volume is mounted, with a file on it; how many bytes it has then.
    fn while_mounted(&self, kind: &str, check: impl FnOnce(&Finished) + Send) -> u64 {
        in_private_mounts(|| {
            let point = self.folder.folder("a point");
            let none = None::<&str>;
            mount(
                Some(self.device()),
                &point,
                Some(kind),
                MsFlags::empty(),
                none,
            )
            .unwrap();
            fs::write(point.join("file"), "content").unwrap();
            let finished = self.service();
            let statvfs = rustix::fs::statvfs(&point).unwrap();
            assert_eq!(fs::read(point.join("file")).unwrap(), b"content");
            umount2(&point, MntFlags::empty()).unwrap();
            check(&finished);
            statvfs.f_blocks * statvfs.f_frsize
        })
    }
}

fn set_len(image: &Path, len: u64) {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(image);
    file.and_then(|file| file.set_len(len)).unwrap();
}

/// Gives `name` to qubes-resize-disk.
fn ask(name: &str, options: &[&str]) -> Finished {
    ask_with(name, options, None)
}

fn ask_with(name: &str, options: &[&str], path: Option<&str>) -> Finished {
    let mut command = Command::new("/bin/sh");
    let system = std::env::var("PATH").unwrap_or_default();
    let path = path.map_or_else(|| format!("{system}:/usr/sbin:/sbin"), str::to_owned);
    command
        .args([
            "-c",
            "name=$1; PATH=$2; shift 2; printf %s \"$name\" | \"$@\"",
            "sh",
            name,
        ])
        .arg(path)
        .arg(program("qubes-resize-disk"))
        .args(options);
    run(command)
}

fn grows_while_mounted(program: &str, options: &[&str], kind: &str, told: &str) {
    let volume = Volume::new(320 * MIB, program, options);
    let before = volume.while_mounted(kind, |finished| {
        finished.assert_code(0);
        finished.assert_says("is already as large as the device");
    });
    volume.resize(640 * MIB);
    let after = volume.while_mounted(kind, |finished| {
        finished.assert_code(0);
        finished.assert_says(&format!("qubes-resize-disk: {told} on "));
        finished.assert_says(
            " has grown from 320.0 MiB (335544320 bytes) to 640.0 MiB (671088640 bytes)",
        );
    });
    assert!(after > before + 280 * MIB, "{before} {after}");
    // A second call finds nothing to do.
    volume.while_mounted(kind, |finished| {
        finished.assert_code(0);
        finished.assert_says("is already as large as the device");
    });
}

fn ext4_grows_while_it_is_mounted() {
    grows_while_mounted("mkfs.ext4", &["-q"], "ext4", "ext2/3/4");
}

fn xfs_grows_while_it_is_mounted() {
    grows_while_mounted("mkfs.xfs", &["-q"], "xfs", "XFS");
}

fn btrfs_grows_while_it_is_mounted() {
    grows_while_mounted("mkfs.btrfs", &["-q"], "btrfs", "Btrfs");
}

fn ext2_grows_while_it_is_not_mounted() {
    let volume = Volume::new(16 * MIB, "mkfs.ext2", &["-q"]);
    volume.resize(40 * MIB);
    let finished = volume.service();
    finished.assert_code(0);
    finished.assert_says("from 16.0 MiB (16777216 bytes) to 40.0 MiB (41943040 bytes)");
    let mut check = Command::new("e2fsck");
    check.args(["-f", "-n"]).arg(volume.device());
    check.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    run(check).assert_code(0);
}

fn what_is_as_large_as_its_device_stays_as_it_is() {
    let volume = Volume::new(16 * MIB, "mkfs.ext4", &["-q"]);
    // Less than a block more is nothing.
    volume.resize(16 * MIB + 512);
    let before = volume.content();
    let finished = volume.service();
    finished.assert_code(0);
    finished.assert_says("is already as large as the device, 16.0 MiB");
    assert!(volume.content() == before);
}

fn what_is_larger_than_its_device_is_not_touched() {
    let volume = Volume::new(32 * MIB, "mkfs.ext4", &["-q"]);
    volume.resize(16 * MIB);
    let before = volume.content();
    let finished = volume.service();
    finished.assert_code(1);
    finished.assert_says("it has 32.0 MiB (33554432 bytes), and the device has only 16.0 MiB");
    finished.assert_says("nothing was changed");
    assert!(volume.content() == before);
}

fn xfs_and_btrfs_that_are_not_mounted_are_not_touched() {
    for program in ["mkfs.xfs", "mkfs.btrfs"] {
        let volume = Volume::new(320 * MIB, program, &["-q"]);
        volume.resize(640 * MIB);
        let finished = volume.service();
        finished.assert_code(1);
        finished.assert_says("it grows only while it is mounted, and it is not");
    }
}

fn what_is_no_file_system_is_not_touched() {
    let volume = Volume::new(16 * MIB, "", &[]);
    let finished = volume.service();
    finished.assert_code(1);
    finished.assert_says("there is no file system of the kinds ext2/3/4, XFS and Btrfs");
    // A signature that a former use left behind.
    let volume = Volume::new(320 * MIB, "mkfs.ext4", &["-q"]);
    let image = volume.folder.path().join("image");
    let mut write = Command::new("sh");
    write.args([
        "-c",
        "printf _BHRfS_M | dd of=\"$0\" bs=1 seek=65600 conv=notrunc",
    ]);
    write.arg(&image);
    run(write).assert_code(0);
    let mut forget = Command::new("blockdev");
    forget.arg("--flushbufs").arg(volume.device());
    forget.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    run(forget).assert_code(0);
    let finished = volume.service();
    finished.assert_code(1);
    finished.assert_says("there are signatures of ext2/3/4 and of Btrfs");
    // What is no device at all.
    let finished = ask("private", &["--private", image.to_str().unwrap()]);
    finished.assert_code(1);
    finished.assert_says("it is not a block device");
}

fn a_step_that_fails_is_named_with_its_status() {
    let volume = Volume::new(16 * MIB, "mkfs.ext4", &["-q"]);
    volume.resize(40 * MIB);
    let device = volume.device().to_str().unwrap();
    // resize2fs wants a check first, since it was used after the last one.
    let mut use_it = Command::new("debugfs");
    use_it
        .args(["-w", "-R", "set_super_value mtime 20991231"])
        .arg(device);
    use_it.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    run(use_it).assert_code(0);
    let finished = volume.service();
    finished.assert_code(1);
    finished.assert_says(&format!("the step \"resize2fs {device}\" failed: "));
    finished.assert_says(&format!("e2fsck -f {device}"));
    // A program that is not there, and one that fails in its own way.
    let tools = TempFolder::open_to_all();
    qfile_tests::interfaces::script(
        &tools.path().join("resize2fs"),
        "echo 'resize2fs 1.47.0 (5-Feb-2023)' >&2; echo 'no \x1b[31mspace' >&2; exit 9",
    );
    let path = format!("{}:/usr/bin:/bin", tools.path().display());
    let finished = ask_with("private", &["--private", device], Some(&path));
    finished.assert_code(9);
    finished.assert_says(": no _[31mspace\n");
}

fn root_on_the_disk_itself_grows() {
    let volume = Volume::new(16 * MIB, "mkfs.ext4", &["-q"]);
    volume.resize(40 * MIB);
    let device = volume.device().to_str().unwrap();
    let finished = ask("root", &["--root", device, "--disk", device]);
    finished.assert_code(0);
    finished.assert_says("to 40.0 MiB");
}

fn a_root_that_is_elsewhere_is_refused() {
    let volume = Volume::new(16 * MIB, "mkfs.ext4", &["-q"]);
    let other = Volume::new(16 * MIB, "", &[]);
    volume.resize(40 * MIB);
    let [device, other] = [&volume, &other].map(|volume| volume.device().to_str().unwrap());
    let finished = ask("root", &["--root", device, "--disk", other]);
    finished.assert_code(1);
    finished.assert_says("nor partition 3 of it, nor a mapping");
}

fn other_volumes_are_refused() {
    for (name, why) in [
        (
            "volatile\n",
            "its content is lost when the qube is shut down",
        ),
        ("kernel", "only private and root can be resized"),
        ("-f", "only private and root can be resized"),
        ("../private", "only private and root can be resized"),
    ] {
        let finished = ask(name, &[]);
        finished.assert_code(1);
        let name = name.trim();
        finished.assert_says(&format!(
            "qubes-resize-disk: Automatic resize of '{name}' not supported: {why}"
        ));
    }
}

fn a_name_that_is_no_volume_is_refused() {
    let long = "p".repeat(5000);
    for name in [
        "",
        "\n",
        "private root",
        "private\nroot\n",
        "PRIVATE",
        "\x1b[2J",
        &long,
    ] {
        let finished = ask(name, &["--private", "/dev/null"]);
        finished.assert_code(1);
        assert!(!finished.stderr.contains(&0x1b));
    }
    // Blanks around a name do not count; the device is no block device.
    let finished = ask(" private \n", &["--private", "/dev/null"]);
    finished.assert_says("cannot resize \"/dev/null\": it is not a block device");
}

fn the_service_has_no_argument() {
    let qubes = Qubes::new();
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args([TARGET, "qubes.ResizeDisk+--private"]);
    let finished = run(command);
    finished.assert_code(2);
    finished.assert_says("the service has no argument");
}

fn a_name_that_does_not_end_is_refused() {
    let folder = TempFolder::open_to_all();
    let fifo = folder.path().join("fifo");
    let mut held = qfile_tests::fifo::held(&fifo);
    held.write_all(b"private").unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$@\" <\"$0\""])
        .arg(&fifo)
        .arg(program("qubes-resize-disk"))
        .args(["--private", "/dev/null", "--timeout", "1ms"]);
    let finished = run(command);
    finished.assert_code(1);
    finished.assert_says(
        "cannot read the name of the volume from stdin: it has not arrived completely within 0 s",
    );
}

fn a_mount_that_is_covered_is_passed_over() {
    let volume = Volume::new(320 * MIB, "mkfs.xfs", &["-q"]);
    volume.resize(640 * MIB);
    in_private_mounts(|| {
        let [first, second] = ["first", "second"].map(|name| volume.folder.folder(name));
        let mount_at = |point: &Path| {
            let flags = MsFlags::empty();
            mount(
                Some(volume.device()),
                point,
                Some("xfs"),
                flags,
                None::<&str>,
            )
            .unwrap();
        };
        mount_at(&first);
        mount_tmpfs(&first, 1 << 20, "");
        let finished = volume.service();
        finished.assert_code(1);
        finished.assert_says("no path leads to it");
        mount_at(&second);
        let finished = volume.service();
        finished.assert_code(0);
        finished.assert_says("has grown from 320.0 MiB");
        for point in [&second, &first, &first] {
            umount2(point, MntFlags::empty()).unwrap();
        }
    });
}
