//! Real block devices, opened by an ordinary user to whom root has given them.

use std::fs::{self, OpenOptions};
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use qfile_tests::cannot_run::needs_program;
use qfile_tests::raw_device::{Carriers, Loop, answer_on, blkid, bytes_of, needs_loop_devices};
use qfile_tests::suite;
use qfile_tests::user::{in_private_mounts, mount_tmpfs, needs_private_mounts};

use super::accidents::{gpt, make_ext4};

const MIB: u64 = 1 << 20;

suite! {
    files_go_over_a_block_device [needs_loop_devices],
    a_mounted_file_system_is_never_overwritten [needs_loop_devices, needs_private_mounts, needs_ext4],
    the_disk_that_holds_the_home_folder_is_refused [needs_loop_devices, needs_private_mounts, needs_ext4],
    every_signature_on_a_device_is_erased [needs_loop_devices, needs_ext4],
    a_write_protected_device_is_received_without_an_answer [needs_loop_devices],
    a_device_that_runs_full_is_not_complete [needs_loop_devices, needs_private_mounts],
    a_device_that_cannot_be_read_to_the_end_is_a_failure [needs_loop_devices],
}

fn needs_ext4() -> Result<(), String> {
    needs_program("mkfs.ext4")?;
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let is_known = known.lines().any(|line| line.ends_with("\text4"));
    is_known
        .then_some(())
        .ok_or_else(|| "needs a kernel with ext4".to_owned())
}

fn mount_ext4(device: &Path, point: &Path) {
    let none = None::<&str>;
    mount(Some(device), point, Some("ext4"), MsFlags::empty(), none).unwrap();
}

fn files_go_over_a_block_device() {
    let carriers = Carriers::new();
    let image = carriers.image("image", 4 * MIB);
    let device = Loop::new(&image, &[]);
    carriers.write("src/long", &[3; 1_500_001]);
    carriers.send(&[], device.path()).assert_code(0);
    // It is on the device, not only in a cache of this one.
    assert!(bytes_of(&image, 0, 8192) == bytes_of(device.path(), 0, 8192));
    carriers.receive(&[], device.path()).assert_code(0);
    carriers.assert_arrived("device");
    let answer = carriers.status_of("answer", device.path()).unwrap();
    assert_eq!(answer, "received");
    assert_eq!(blkid(device.path()), "");
}

fn a_mounted_file_system_is_never_overwritten() {
    let carriers = Carriers::new();
    let image = carriers.image("image", 16 * MIB);
    let device = Loop::new(&image, &[]);
    make_ext4(device.path());
    let point = carriers.path("mounted");
    fs::create_dir(&point).unwrap();
    in_private_mounts(|| {
        mount_ext4(device.path(), &point);
        fs::write(point.join("precious"), "precious").unwrap();
        for options in [&[][..], &["--overwrite"]] {
            let refused = carriers.send(options, device.path());
            refused.assert_code(1);
            refused.assert_says("mounted");
        }
        carriers.receive(&[], device.path()).assert_code(1);
        assert_eq!(carriers.status(device.path()), "state: none\n");
        umount2(&point, MntFlags::empty()).unwrap();
        mount_ext4(device.path(), &point);
        assert_eq!(fs::read(point.join("precious")).unwrap(), b"precious");
        umount2(&point, MntFlags::empty()).unwrap();
    });
}

fn the_disk_that_holds_the_home_folder_is_refused() {
    let carriers = Carriers::new();
    let image = carriers.image("image", 16 * MIB);
    let device = Loop::new(&image, &[]);
    make_ext4(device.path());
    in_private_mounts(|| {
        mount_ext4(device.path(), &carriers.path("home"));
        let refused = carriers.send(&["--overwrite"], device.path());
        refused.assert_code(1);
        refused.assert_says("its disk holds");
        umount2(&carriers.path("home"), MntFlags::empty()).unwrap();
    });
    carriers
        .send(&["--overwrite"], device.path())
        .assert_code(0);
}

fn every_signature_on_a_device_is_erased() {
    let carriers = Carriers::new();
    for fill in [make_ext4 as fn(&Path), |device| {
        fs::write(device, gpt(32_768)).unwrap()
    }] {
        let image = carriers.image("image", 16 * MIB);
        let device = Loop::new(&image, &[]);
        fill(device.path());
        assert_ne!(blkid(device.path()), "");
        carriers.send(&[], device.path()).assert_code(1);
        carriers
            .send(&["--overwrite"], device.path())
            .assert_code(0);
        assert_eq!(blkid(device.path()), "");
        drop(device);
        assert_eq!(blkid(&image), "");
    }
}

fn a_write_protected_device_is_received_without_an_answer() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    carriers.send(&[], &image).assert_code(0);
    let device = Loop::new(&image, &["--read-only"]);
    carriers
        .send(&["--overwrite"], device.path())
        .assert_code(1);
    carriers.receive(&[], device.path()).assert_code(0);
    carriers.assert_arrived("device");
    let number = bytes_of(&image, 64, 16);
    assert_eq!(answer_on(&image, &number), None);
}

fn a_device_that_runs_full_is_not_complete() {
    let carriers = Carriers::new();
    carriers.write("src/long", &[3; 8 << 20]);
    in_private_mounts(|| {
        let small = carriers.path("small");
        fs::create_dir(&small).unwrap();
        mount_tmpfs(&small, MIB, "");
        let image = carriers.image("small/image", 16 * MIB);
        let device = Loop::new(&image, &[]);
        let failed = carriers.send(&[], device.path());
        failed.assert_code(1);
        failed.assert_says("cannot write to");
        let state = carriers.status_of("state", device.path()).unwrap();
        assert_eq!(state, "not complete");
        carriers.receive(&[], device.path()).assert_code(1);
        carriers.assert_nothing_arrived();
    });
}

fn a_device_that_cannot_be_read_to_the_end_is_a_failure() {
    let carriers = Carriers::new();
    carriers.write("src/long", &[3; 8 << 20]);
    let image = carriers.image("image", 16 * MIB);
    carriers.send(&[], &image).assert_code(0);
    let device = Loop::new(&image, &[]);
    // What is behind the end of the file of a loop device cannot be read.
    let file = OpenOptions::new().write(true).open(&image).unwrap();
    file.set_len(4 * MIB).unwrap();
    let failed = carriers.receive(&[], device.path());
    failed.assert_code(1);
    failed.assert_says("cannot be read at byte");
    failed.assert_says("must not be trusted");
}
