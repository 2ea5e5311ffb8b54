//! Which files other programs have open for writing: what they write after the file was deleted
//! would be lost.
//!
//! `/proc` tells it of the processes that this user may look into, so of the programs of the same
//! user; of root's, if root calls. A process that opens a file after the last look goes unnoticed
//! for as long as the look is valid.

use std::collections::HashMap;
use std::fs::{self, DirEntry};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use files::{FileId, State};
use rustix::fs::{FileType, OFlags, makedev, stat};
use text::own;

/// For how long a look at `/proc` is valid; for ten times as long as it took, if that is longer.
const VALID: Duration = Duration::from_millis(500);

/// What is open for writing, by inode.
type Open = HashMap<u64, Vec<Held>>;

/// A file that a program has open for writing.
#[derive(Debug)]
struct Held {
    program: String,
    by: Holding,
}

/// How a program has a file.
#[derive(Debug)]
enum Holding {
    /// By a descriptor, here its path below `/proc`. The file is looked at only if its inode is the
    /// one that is asked about: a file system that does not answer must not hold up the others.
    Descriptor(PathBuf),
    /// In its memory; the device that the file is on.
    Mapping(u64),
}

/// What is known of files that are open for writing.
#[derive(Debug, Default)]
pub(super) struct Writers {
    /// What was found, and until when that is valid.
    looked: Option<(Instant, Open)>,
}

impl Writers {
    /// The name of a program that has the file open for writing.
    pub(super) fn program_of(&mut self, file: &State) -> Option<&str> {
        if file.file_type() != FileType::RegularFile {
            return None;
        }
        let valid = |(until, _): &(Instant, Open)| Instant::now() < *until;
        if !self.looked.as_ref().is_some_and(valid) {
            let begin = Instant::now();
            let open = look();
            let until = Instant::now() + VALID.max(10 * begin.elapsed());
            self.looked = Some((until, open));
        }
        let (_, open) = self.looked.as_ref()?;
        let held = open
            .get(&file.id.inode)?
            .iter()
            .find(|held| match &held.by {
                Holding::Descriptor(path) => {
                    stat(path).is_ok_and(|found| FileId::from(&found) == file.id)
                }
                Holding::Mapping(device) => *device == file.id.device,
            });
        held.map(|held| &*held.program)
    }
}

/// Looks at all processes. What cannot be looked into is left out: there is no other way to learn it.
fn look() -> Open {
    let mut open = Open::new();
    for process in entries(Path::new("/proc")) {
        if !process
            .file_name()
            .as_bytes()
            .iter()
            .all(u8::is_ascii_digit)
        {
            continue;
        }
        let files = files_of(&process.path());
        if !files.is_empty() {
            let program = fs::read(process.path().join("comm")).unwrap_or_default();
            let program = own(program.trim_ascii());
            for (inode, by) in files {
                let program = program.clone();
                open.entry(inode).or_default().push(Held { program, by });
            }
        }
    }
    open
}

/// The files that a process has open for writing, or mapped into its memory for writing.
fn files_of(process: &Path) -> Vec<(u64, Holding)> {
    let opened = entries(&process.join("fdinfo")).filter_map(|descriptor| {
        let info = fs::read_to_string(descriptor.path()).ok()?;
        let path = process.join("fd").join(descriptor.file_name());
        // Kernels before 5.14 do not tell the inode.
        let inode = || number(&info, "ino:", 10).or_else(|| Some(stat(&path).ok()?.st_ino));
        let inode = is_for_writing(&info).then(inode)??;
        Some((inode, Holding::Descriptor(path)))
    });
    // Not by `procfs`, which fails where one path is not UTF-8: then the others would go unnoticed.
    let maps = fs::read(process.join("maps")).unwrap_or_default();
    let mapped = maps
        .split(|byte| *byte == b'\n')
        .filter_map(mapped_for_writing)
        .map(|(device, inode)| (inode, Holding::Mapping(device)));
    opened.chain(mapped).collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

/// proc_pid_fdinfo(5): a line `flags:` with the flags of open(2), in octal digits.
fn is_for_writing(info: &str) -> bool {
    let flags = number(info, "flags:", 8).and_then(|flags| u32::try_from(flags).ok());
    let flags = OFlags::from_bits_retain(flags.unwrap_or(0));
    !flags.contains(OFlags::PATH) && flags.intersects(OFlags::WRONLY | OFlags::RDWR)
}

fn number(info: &str, name: &str, radix: u32) -> Option<u64> {
    let value = info.lines().find_map(|line| line.strip_prefix(name))?;
    u64::from_str_radix(value.trim(), radix).ok()
}

/// proc_pid_maps(5): `address perms offset dev inode pathname`, with `s` for what is shared with the
/// file.
fn mapped_for_writing(line: &[u8]) -> Option<(u64, u64)> {
    // What follows the inode may be as long as a path, and is not looked at.
    let line = String::from_utf8_lossy(&line[..line.len().min(120)]);
    let mut words = line.split_ascii_whitespace();
    let permissions = words.nth(1)?.as_bytes();
    if permissions.get(1) != Some(&b'w') || permissions.get(3) != Some(&b's') {
        return None;
    }
    let (major, minor) = words.nth(1)?.split_once(':')?;
    let inode: u64 = words.next()?.parse().ok()?;
    let half = |digits| u32::from_str_radix(digits, 16).ok();
    let device = makedev(half(major)?, half(minor)?);
    (inode != 0).then_some((device, inode))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};

    use super::*;

    fn is_known(path: &Path) -> bool {
        let file = State::from(stat(path).unwrap());
        Writers::default().program_of(&file).is_some()
    }

    #[test]
    fn a_file_is_known_as_long_as_it_is_open_for_writing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letter");
        fs::write(&path, "text").unwrap();
        assert!(!is_known(&path));
        let reader = File::open(&path).unwrap();
        assert!(!is_known(&path));
        for options in [
            OpenOptions::new().write(true),
            OpenOptions::new().append(true),
            OpenOptions::new().read(true).write(true),
        ] {
            let writer = options.open(&path).unwrap();
            assert!(is_known(&path));
            drop(writer);
        }
        drop(reader);
        assert!(!is_known(&path));
    }

    #[test]
    fn a_line_of_maps_is_a_file_only_if_what_is_written_reaches_it() {
        let table: [(&str, Option<(u64, u64)>); 6] = [
            (
                "7f00-7f10 rw-s 00000000 08:01 4711 /home/user/a b",
                Some((makedev(8, 1), 4711)),
            ),
            ("7f00-7f10 rw-p 00000000 08:01 4711 /home/user/a", None),
            ("7f00-7f10 r--s 00000000 08:01 4711 /home/user/a", None),
            ("7f00-7f10 rw-s 00000000 00:00 0 ", None),
            ("7f00-7f10 rw-s 00000000", None),
            ("", None),
        ];
        for (line, expected) in table {
            assert_eq!(mapped_for_writing(line.as_bytes()), expected, "{line}");
        }
        let hostile = [b"7f00-7f10 rw-s 0 08:01 4711 /".as_slice(), &[0xFF; 200]].concat();
        assert!(mapped_for_writing(&hostile).is_some());
    }
}
