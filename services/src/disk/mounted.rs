//! Where a device is mounted.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use program::mounts::{Mount, table};
use rustix::fs::{AtFlags, CWD, StatxFlags, major, minor, statx};

/// Where the device of this number is mounted by a file system that `is_kind` accepts, and can be
/// reached. A mount of its top folder comes before others.
pub(super) fn point(number: u64, is_kind: impl Fn(&str) -> bool) -> io::Result<Option<PathBuf>> {
    let text = fs::read("/proc/self/mountinfo")?;
    let name = format!("{}:{}", major(number), minor(number));
    let of_device = |mount: &Mount| {
        // Btrfs has numbers of its own, so its source has to be looked at.
        is_kind(&mount.kind) && (mount.number == name || is_device(&mount.source, number))
    };
    let mounts: Vec<Mount> = table(&text).filter(of_device).collect();
    Ok(best(&mounts, is_reached))
}

/// The path of the best of some mounts that are reached by their paths.
fn best(mounts: &[Mount], is_reached: impl Fn(&Mount) -> bool) -> Option<PathBuf> {
    let (tops, others): (Vec<&Mount>, Vec<&Mount>) = mounts
        .iter()
        .partition(|mount| mount.root == Path::new("/"));
    let mut mounts = tops.into_iter().chain(others);
    let best = mounts.find(|mount| is_reached(mount));
    best.map(|mount| mount.point.clone())
}

/// Does the path of a mount lead to it? Another file system can be mounted there over it, or over a
/// folder above it.
fn is_reached(mount: &Mount) -> bool {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let Ok(found) = statx(CWD, &mount.point, flags, StatxFlags::MNT_ID) else {
        return false;
    };
    match found.stx_mask & StatxFlags::MNT_ID.bits() {
        // Linux before 5.8 does not tell which mount it is.
        0 => format!("{}:{}", found.stx_dev_major, found.stx_dev_minor) == mount.number,
        _ => found.stx_mnt_id == mount.id,
    }
}

fn is_device(source: &Path, number: u64) -> bool {
    source.is_absolute() && fs::metadata(source).is_ok_and(|metadata| metadata.rdev() == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_below_another_is_passed_over() {
        let text = b"1 0 8:1 /folder /a rw - ext4 /dev/sda1 rw\n\
            2 0 8:1 / /b rw - ext4 /dev/sda1 rw\n\
            3 0 8:1 / /c rw - ext4 /dev/sda1 rw\n";
        let mounts: Vec<Mount> = table(text).collect();
        let best_of = |reached: &[u64]| best(&mounts, |mount| reached.contains(&mount.id));
        assert_eq!(best_of(&[1, 2, 3]), Some("/b".into()));
        assert_eq!(best_of(&[1, 3]), Some("/c".into()));
        assert_eq!(best_of(&[1]), Some("/a".into()));
        assert_eq!(best_of(&[]), None);
    }

    #[test]
    fn the_last_mount_at_the_root_is_the_one_that_is_reached() {
        let text = fs::read("/proc/self/mountinfo").unwrap();
        let mounts: Vec<Mount> = table(&text)
            .filter(|mount| mount.point == Path::new("/"))
            .collect();
        let reached = mounts.iter().filter(|mount| is_reached(mount)).count();
        assert_eq!(reached, 1, "{mounts:?}");
        let other = Mount {
            id: u64::MAX,
            number: "0:0".to_owned(),
            ..mounts[0].clone()
        };
        assert!(!is_reached(&other));
    }
}
