//! Growing the file system on a device.

use std::path::Path;

use program::failure::Failure;
use program::say::say;
use rustix::fs::{CWD, Mode, OFlags, openat, syncfs};

use super::file_system::{Decision, FileSystem, Kind, beginning, recognise};
use super::steps::Step;
use super::{Device, NAME, mounted, shown};

/// Makes the file system on a device as large as the device.
///
/// # Errors
/// There is none that can be grown, the device is smaller, or the step that is named failed.
pub(super) fn grow(path: &Path) -> Result<(), Failure> {
    let on = text::file(path);
    let device = Device::open(path)?;
    let recognised =
        recognise(&beginning(&device.file).map_err(Failure::of(format_args!("cannot read {on}")))?);
    let superblock = recognised.map_err(|unknown| {
        Failure::new(format_args!("cannot resize what is on {on}"))
            .because(unknown)
            .advise("nothing was changed; resize it with its own programs")
    })?;
    let kind = superblock.kind;
    let point = mounted::point(device.number, |name| kind.is_named(name))
        .map_err(Failure::of("cannot read the table of mounts"))?;
    let before = current(superblock, point.as_deref())?;
    match before.on(device.len) {
        Decision::TooSmall => {
            return Err(
                Failure::new(format_args!("cannot resize the file system on {on}"))
                    .because(format_args!(
                        "it has {}, and the device has only {}",
                        shown(before.len),
                        shown(device.len)
                    ))
                    .advise("nothing was changed; make the volume at least as large as it was"),
            );
        }
        Decision::Nothing => {
            say(format_args!(
                "{NAME}: {kind} on {on} is already as large as the device, {}",
                shown(before.len)
            ));
            return Ok(());
        }
        Decision::Grow => {}
    }
    let step = step(kind, path, point.as_deref())?;
    let by_hand = step.shown().to_owned();
    step.run().map_err(|failure| {
        let check = match (kind, &point) {
            (Kind::Ext, None) => format!("e2fsck -f {on}\n"),
            _ => String::new(),
        };
        failure.advise(format_args!(
            "the file system can be used as before; to resize it by hand, run as root in this qube:\n\
             {check}{by_hand}"
        ))
    })?;
    let after = size_again(path, point.as_deref())?;
    say(format_args!(
        "{NAME}: {kind} on {on} has grown from {} to {}",
        shown(before.len),
        shown(after.len)
    ));
    Ok(())
}

/// The program that grows a file system of this kind.
fn step(kind: Kind, device: &Path, point: Option<&Path>) -> Result<Step, Failure> {
    let needs_mount = || {
        let on = text::file(device);
        Failure::new(format_args!("cannot resize {kind} on {on}"))
            .because("it grows only while it is mounted, and it is not, or no path leads to it")
            .advise("nothing was changed; mount it and call the service again")
    };
    match kind {
        Kind::Ext => Ok(Step::new("resize2fs")?.arg(device)),
        Kind::Xfs => Ok(Step::new("xfs_growfs")?
            .arg("-d")
            .arg(point.ok_or_else(needs_mount)?)),
        Kind::Btrfs(number) => Ok(Step::new("btrfs")?
            .arg("filesystem")
            .arg("resize")
            .arg(format!("{number}:max"))
            .arg(point.ok_or_else(needs_mount)?)),
    }
}

/// What is there now. XFS that is mounted writes its superblock late, so it has to be asked.
fn current(superblock: FileSystem, point: Option<&Path>) -> Result<FileSystem, Failure> {
    match (superblock.kind, point) {
        (Kind::Xfs, Some(point)) => {
            let told = Step::new("xfs_growfs")?.arg("-n").arg(point).run()?;
            let (block, blocks) = xfs_geometry(&told).ok_or_else(|| {
                Failure::new(format_args!("cannot resize XFS at {}", text::file(point)))
                    .because("xfs_growfs -n does not say how large it is")
            })?;
            let len = blocks.saturating_mul(block);
            Ok(FileSystem {
                len,
                block,
                ..superblock
            })
        }
        _ => Ok(superblock),
    }
}

fn size_again(path: &Path, point: Option<&Path>) -> Result<FileSystem, Failure> {
    let cannot = || format!("cannot read {} again", text::file(path));
    if let Some(point) = point {
        sync(point);
    }
    let device = Device::open(path)?;
    let bytes = beginning(&device.file).map_err(Failure::of(cannot()))?;
    let superblock = recognise(&bytes).map_err(Failure::of(cannot()))?;
    current(superblock, point)
}

/// Has the file system write what it has in memory, its superblock with it.
fn sync(point: &Path) {
    let folder = openat(
        CWD,
        point,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    // Only the size that is told depends on it.
    let _later = folder.and_then(syncfs);
}

/// The size of a block in bytes, and the number of blocks, in what `xfs_growfs -n` says.
fn xfs_geometry(told: &[u8]) -> Option<(u64, u64)> {
    let told = String::from_utf8_lossy(told);
    let data = told.lines().find(|line| line.starts_with("data "))?;
    let number = |key: &str| {
        let mut words = data.split([' ', ',']);
        let value = words.find_map(|word| word.strip_prefix(key))?;
        value.parse::<u64>().ok()
    };
    Some((number("bsize=")?, number("blocks=")?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn xfs_says_how_large_it_is() {
        let told = "meta-data=/dev/loop0 isize=512 agcount=4, agsize=16384 blks\n         = sectsz=512\n\
            data     =                       bsize=4096   blocks=65536, imaxpct=25\n\
            naming   =version 2              bsize=4096   ascii-ci=0, ftype=1\n\
            log      =internal               bsize=4096   blocks=1221, version=2\n";
        assert_eq!(xfs_geometry(told.as_bytes()), Some((4096, 65536)));
        assert_eq!(xfs_geometry(b"data     = bsize=x blocks=1"), None);
        assert_eq!(xfs_geometry(b""), None);
    }

    #[test]
    fn xfs_and_btrfs_grow_only_where_they_are_mounted() {
        for kind in [Kind::Xfs, Kind::Btrfs(1)] {
            // Where its program is missing, that is said first.
            let failure = step(kind, Path::new("/dev/x"), None).unwrap_err();
            let reason = failure.reason();
            assert!(
                reason.contains("mounted") || reason.contains("not installed"),
                "{reason}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_xfs_says(told in "(data {0,3})?[ -~\n]{0,100}") {
            let _no_panic = xfs_geometry(told.as_bytes());
        }
    }
}
