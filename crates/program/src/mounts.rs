//! The table of mounts (`proc_pid_mountinfo(5)`).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

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

/// The path that a word of the table, or of that of swap areas, spells: a blank is `\040` in it.
#[must_use]
pub fn unescaped(word: &[u8]) -> PathBuf {
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

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
