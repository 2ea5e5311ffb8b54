//! What must not be overwritten by accident.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use qfile_tests::process::run;
use qfile_tests::raw_device::{Carriers, FROM_DEVICE, STATUS, TO_DEVICE, blkid, needs_carriers};
use qfile_tests::suite;
use qfile_tests::terminal::Terminal;
use rustix::fs::{FlockOperation, flock};

suite! {
    a_file_system_is_not_overwritten_unless_asked [needs_carriers, needs_mkfs],
    a_terminal_is_asked_and_only_y_is_yes [needs_carriers, needs_mkfs],
    both_partition_tables_of_a_gpt_disk_are_erased [needs_carriers],
    a_transfer_is_overwritten_without_asking [needs_carriers],
    a_document_is_not_taken_for_an_image [needs_carriers],
    what_somebody_else_has_locked_is_left_alone [needs_carriers],
    what_is_no_device_is_left_alone [needs_carriers],
}

pub(super) fn needs_mkfs() -> Result<(), String> {
    let places = ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"];
    let found = places.iter().any(|path| Path::new(path).is_file());
    found
        .then_some(())
        .ok_or_else(|| "needs mkfs.ext4".to_owned())
}

/// Makes an ext4 file system on `device`.
pub(super) fn make_ext4(device: &Path) {
    let mut command = Command::new("mkfs.ext4");
    command.args(["-q", "-F"]).arg(device);
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    run(command).assert_code(0);
}

/// The bytes of a GPT disk of `sectors` sectors, with one partition (UEFI specification, 5.3).
pub(super) fn gpt(sectors: u64) -> Vec<u8> {
    let sector = |lba: u64| usize::try_from(lba * 512).unwrap();
    let mut disk = vec![0; sector(sectors)];
    // The protective MBR.
    disk[450] = 0xEE;
    disk[454..458].copy_from_slice(&1_u32.to_le_bytes());
    disk[458..462].copy_from_slice(&u32::try_from(sectors - 1).unwrap().to_le_bytes());
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    let mut entries = vec![0; 128 * 128];
    entries[..32].fill(0x11);
    entries[32..40].copy_from_slice(&64_u64.to_le_bytes());
    entries[40..48].copy_from_slice(&(sectors - 64).to_le_bytes());
    for (here, other, entries_at) in [(1, sectors - 1, 2), (sectors - 1, 1, sectors - 33)] {
        let mut header = b"EFI PART\0\0\x01\0\x5c\0\0\0".to_vec();
        header.resize(24, 0);
        for number in [here, other, 34, sectors - 34] {
            header.extend_from_slice(&u64::to_le_bytes(number));
        }
        header.extend_from_slice(&[0x22; 16]);
        header.extend_from_slice(&u64::to_le_bytes(entries_at));
        for number in [128, 128, qfile_tests::stream::crc32(&entries)] {
            header.extend_from_slice(&u32::to_le_bytes(number));
        }
        let crc = qfile_tests::stream::crc32(&header);
        header[16..20].copy_from_slice(&crc.to_le_bytes());
        disk[sector(here)..][..92].copy_from_slice(&header);
        disk[sector(entries_at)..][..entries.len()].copy_from_slice(&entries);
    }
    disk
}

fn a_file_system_is_not_overwritten_unless_asked() {
    let carriers = Carriers::new();
    let image = carriers.image("image", 8 << 20);
    make_ext4(&image);
    let before = fs::read(&image).unwrap();
    let refused = carriers.send(&[], &image);
    refused.assert_code(1);
    refused.assert_says("ext4");
    refused.assert_says("--overwrite");
    assert!(fs::read(&image).unwrap() == before);
    carriers.send(&["--overwrite"], &image).assert_code(0);
    assert_eq!(blkid(&image), "");
    carriers.receive(&[], &image).assert_code(0);
    carriers.assert_arrived("device");
}

fn a_terminal_is_asked_and_only_y_is_yes() {
    let carriers = Carriers::new();
    let image = carriers.image("image", 8 << 20);
    make_ext4(&image);
    let before = fs::read(&image).unwrap();
    let asked = |answer: &str| {
        let mut command = carriers.command(TO_DEVICE);
        command.args(["image", "src"]);
        let mut terminal = Terminal::start(&command, 100);
        terminal.until_shown("[y/N]");
        terminal.type_keys(answer);
        let left = terminal.finish();
        left.assert_shows("8.00 MiB");
        left.assert_shows("ext4");
        left.code
    };
    for answer in ["\n", "n\n", "yy\nn\n", "\x04"] {
        assert_eq!(asked(answer), 32, "{answer:?}");
        assert!(fs::read(&image).unwrap() == before);
    }
    assert_eq!(asked("y\n"), 0);
    assert_eq!(blkid(&image), "");
}

fn both_partition_tables_of_a_gpt_disk_are_erased() {
    let carriers = Carriers::new();
    let disk = gpt(4096);
    let image = carriers.image_of("image", &disk);
    assert!(
        blkid(&image).contains("PTTYPE=\"gpt\""),
        "{}",
        blkid(&image)
    );
    carriers.send(&[], &image).assert_code(1);
    assert!(fs::read(&image).unwrap() == disk);
    carriers.send(&["--overwrite"], &image).assert_code(0);
    assert_eq!(blkid(&image), "");
    let last = fs::read(&image).unwrap();
    assert_ne!(&last[last.len() - 512..][..8], b"EFI PART");
    carriers.receive(&[], &image).assert_code(0);
    carriers.assert_arrived("device");
}

fn a_transfer_is_overwritten_without_asking() {
    let carriers = Carriers::new();
    let image = carriers.image("image", 1 << 20);
    carriers.send(&[], &image).assert_code(0);
    // One that is complete, one that is not, and one with the second table of a GPT disk behind it.
    let mut bytes = fs::read(&image).unwrap();
    let complete = carriers.image_of("complete", &bytes);
    let disk = gpt(2048);
    bytes[512 * 2015..].copy_from_slice(&disk[512 * 2015..]);
    let with_more = carriers.image_of("more", &bytes);
    bytes[16..64].fill(0);
    qfile_tests::raw_device::seal(&mut bytes[..4096]);
    let unfinished = carriers.image_of("unfinished", &bytes);
    assert_eq!(
        carriers.status_of("state", &unfinished).unwrap(),
        "not complete"
    );
    for image in [complete, with_more, unfinished] {
        carriers.send(&[], &image).assert_code(0);
        assert_eq!(blkid(&image), "");
    }
}

fn a_document_is_not_taken_for_an_image() {
    let carriers = Carriers::new();
    // The size of an archive or a database may be that of a device.
    for len in [20_001, 20_480] {
        let content = vec![b'x'; len];
        let document = carriers.image_of("archive.tar", &content);
        let refused = carriers.send(&[], &document);
        refused.assert_code(1);
        refused.assert_says("--overwrite");
        assert!(fs::read(&document).unwrap() == content);
        carriers.send(&["--overwrite"], &document).assert_code(0);
    }
    // Power was cut while its header was written.
    let mut torn = vec![0; 20_480];
    torn[..16].copy_from_slice(b"qfile-pendrive\0\x01");
    let torn = carriers.image_of("torn", &torn);
    carriers.send(&[], &torn).assert_code(0);
}

fn what_somebody_else_has_locked_is_left_alone() {
    let carriers = Carriers::new();
    let image = carriers.image("image", 1 << 20);
    carriers.send(&[], &image).assert_code(0);
    let before = fs::read(&image).unwrap();
    let other = File::open(&image).unwrap();
    flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
    carriers.send(&["--overwrite"], &image).assert_code(1);
    carriers.receive(&[], &image).assert_code(1);
    assert_eq!(carriers.status_of("state", &image).unwrap(), "complete");
    assert!(fs::read(&image).unwrap() == before);
    carriers.assert_nothing_arrived();
}

fn what_is_no_device_is_left_alone() {
    let carriers = Carriers::new();
    for path in ["/dev/null", "src", "nothing"] {
        for (name, arguments) in [
            (TO_DEVICE, &["--overwrite", path, "src"][..]),
            (FROM_DEVICE, &[path]),
            (STATUS, &[path]),
        ] {
            let refused = carriers.run(name, arguments);
            refused.assert_code(1);
            assert!(!refused.stderr().is_empty(), "{path}");
        }
    }
    assert!(!carriers.path("nothing").exists());
}
