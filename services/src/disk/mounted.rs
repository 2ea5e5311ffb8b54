//! Where a device is mounted (`proc_pid_mountinfo(5)`).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, major, minor, statx};

/// A line of the table of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Its number in the table.
    pub id: u64,
    /// The number of the device, `MAJOR:MINOR`.
    pub number: String,
    /// The folder of the file system that is shown.
    pub root: PathBuf,
    /// Where it is shown.
    pub point: PathBuf,
    /// The kind of the file system.
    pub kind: String,
    /// The device, or something else.
    pub source: PathBuf,
}

/// Understands the table, line by line; a line that is none is passed over.
pub fn table(text: &[u8]) -> impl Iterator<Item = Mount> {
    text.split(|byte| *byte == b'\n').filter_map(mount)
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let number = String::from_utf8(words.nth(1)?.to_vec()).ok()?;
    let root = unescaped(words.next()?);
    let point = unescaped(words.next()?);
    // Between the options and a dash there is any number of others.
    let mut words = words.skip_while(|word| *word != b"-").skip(1);
    let kind = String::from_utf8(words.next()?.to_vec()).ok()?;
    let source = unescaped(words.next()?);
    Some(Mount {
        id,
        number,
        root,
        point,
        kind,
        source,
    })
}

/// The path that a word spells: a blank is `\040` in it.
fn unescaped(word: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(word.len());
    let mut rest = word;
    while let [byte, after @ ..] = rest {
        let digits = (*byte == b'\\').then(|| after.get(..3)).flatten();
        match digits.and_then(octal) {
            Some(escaped) => {
                path.push(escaped);
                rest = &after[3..];
            }
            None => {
                path.push(*byte);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(path))
}

fn octal(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0_u8, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(digit - b'0'),
        _ => None,
    })
}

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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_understood() {
        let text = b"36 35 98:0 /mnt1 /a\\040b\\134c rw,noatime master:1 - ext3 /dev/root rw\n\
            x\n\
            40 35 0:30 / /rw rw - btrfs /dev/xvdb rw\n";
        let mounts: Vec<Mount> = table(text).collect();
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].id, 36);
        assert_eq!(mounts[0].number, "98:0");
        assert_eq!(mounts[0].root, Path::new("/mnt1"));
        assert_eq!(mounts[0].point, Path::new("/a b\\c"));
        assert_eq!(mounts[0].kind, "ext3");
        assert_eq!(mounts[1].source, Path::new("/dev/xvdb"));
    }

    #[test]
    fn what_is_no_escape_stays() {
        for word in ["a\\", "\\04", "\\999", "\\477", "\\x40"] {
            assert_eq!(unescaped(word.as_bytes()), Path::new(word));
        }
    }

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

    #[test]
    fn the_table_of_this_process_has_a_root() {
        let text = fs::read("/proc/self/mountinfo").unwrap();
        assert!(table(&text).any(|mount| mount.point == Path::new("/")));
    }

    proptest! {
        #[test]
        fn whatever_the_table_is(text in prop::collection::vec(any::<u8>(), 0..300)) {
            let _no_panic = table(&text).count();
        }

        #[test]
        fn a_path_with_any_bytes_is_read_back(path in "/[ -~\t]{0,40}") {
            let escaped: String = path.bytes().map(|byte| match byte {
                b' ' | b'\t' | b'\\' => format!("\\{byte:03o}"),
                _ => char::from(byte).to_string(),
            }).collect();
            let line = format!("1 2 3:4 / {escaped} rw - ext4 /dev/x rw");
            let mounts: Vec<Mount> = table(line.as_bytes()).collect();
            prop_assert_eq!(&mounts[0].point, Path::new(&path));
        }
    }
}
