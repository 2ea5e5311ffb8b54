//! A tree as it is at one moment, to be compared with another.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FileType, OFlags, SeekFrom, fstat, readlinkat, seek};
use rustix::io::Errno;

use super::walk::{Moment, Step, open_quietly, walk};

/// What kind of thing stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// Anything else.
    Special,
}

/// All that can be seen of one file, folder or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, 0..=0o7777.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Bytes of content; 0 unless it is a file.
    pub len: u64,
    /// Time of last modification, seconds and nanoseconds.
    pub mtime: (i64, i64),
    /// Time of last access, seconds and nanoseconds; 0 unless it is a file. Looking at a link changes
    /// it, and folders are listed by others too, for example by a program that searches the disk.
    pub atime: (i64, i64),
    /// A hash of the content; 0 unless it is a file. Holes and zeros count as the same.
    pub content: u64,
    /// Where a link points.
    pub target: Vec<u8>,
}

/// What is in a folder, taken without changing a time of access (for root and the owner).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Depth first, names sorted: depth below the folder, name, and what is there.
    entries: Vec<(usize, Vec<u8>, Record)>,
}

impl Snapshot {
    /// Looks at everything in `folder`, but not at the folder itself.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self::of_all_but(folder, None)
    }

    /// The same, but for what is in the one folder `folder/path` and for that folder's own times.
    #[must_use]
    pub fn around(folder: &Path, path: &str) -> Self {
        let path: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
        Self::of_all_but(folder, Some(&path))
    }

    fn of_all_but(folder: &Path, closed: Option<&[&[u8]]>) -> Self {
        let mut entries = Vec::new();
        walk(folder, closed, &mut |step| {
            if step.moment == Moment::Before {
                let mut record = record(step)?;
                if step.closed {
                    (record.mtime, record.atime) = ((0, 0), (0, 0));
                }
                entries.push((step.depth, step.name.to_bytes().to_vec(), record));
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("cannot look at {}: {error}", folder.display()));
        Self { entries }
    }

    /// The paths of everything, below the folder and sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let by_path = self.by_path().into_keys();
        by_path
            .map(|path| String::from_utf8_lossy(&path).into_owned())
            .collect()
    }

    /// What stands under the path `path`.
    #[must_use]
    pub fn get(&self, path: impl AsRef<[u8]>) -> Option<Record> {
        self.by_path().remove(path.as_ref()).cloned()
    }

    /// How many files, folders and links there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Fails the test unless all of this, taken at the source, is what `arrived`: names, content,
    /// permission bits, link targets, times of modification to the nanosecond, and for files the
    /// times of access. (Those of folders and links change when a sender reads them.) Owners are
    /// the receiving user's.
    #[track_caller]
    pub fn assert_arrived(&self, arrived: &Self) {
        assert_same(&self.as_copied(), &arrived.as_copied());
    }

    /// Fails the test unless `landed` is what an archive of this brings to a strict receiver: every
    /// file with its content, permission bits and time of modification, the folders above them, and
    /// nothing else. Some formats know times in whole seconds only.
    #[track_caller]
    pub fn assert_restored(&self, landed: &Self, whole_seconds: bool) {
        let expected = self.files_and_above().as_restored(whole_seconds);
        assert_same(&expected, &landed.as_restored(whole_seconds));
    }

    /// Fails the test unless `later` is the same to the last bit of what can be seen.
    #[track_caller]
    pub fn assert_unchanged(&self, later: &Self) {
        assert_same(self, later);
    }

    /// The same with the times of access of `other`: reading changes them.
    #[must_use]
    pub fn with_times_of_access(&self, other: &Self) -> Self {
        let mut same = self.clone();
        for ((_, _, record), (_, _, read)) in same.entries.iter_mut().zip(&other.entries) {
            record.atime = read.atime;
        }
        same
    }

    fn as_copied(&self) -> Self {
        let mut copied = self.clone();
        for (_, _, record) in &mut copied.entries {
            record.owner = (0, 0);
            record.mode &= 0o777;
        }
        copied
    }

    /// The files, and the folders that have one below them, as a receiver makes folders.
    fn files_and_above(&self) -> Self {
        let mut entries = Vec::new();
        // The folders above, until the first file in them has come.
        let mut above: Vec<Option<(usize, Vec<u8>, Record)>> = Vec::new();
        for (depth, name, record) in self.entries.iter().cloned() {
            above.truncate(depth);
            match record.kind {
                Kind::File => {
                    entries.extend(above.iter_mut().filter_map(Option::take));
                    entries.push((depth, name, record));
                }
                Kind::Folder => above.push(Some((
                    depth,
                    name,
                    Record {
                        mode: 0o700,
                        ..record
                    },
                ))),
                Kind::Link | Kind::Special => {}
            }
        }
        Self { entries }
    }

    fn as_restored(&self, whole_seconds: bool) -> Self {
        let mut restored = self.as_copied();
        for (_, _, record) in &mut restored.entries {
            record.atime = (0, 0);
            if whole_seconds {
                record.mtime.1 = 0;
            }
            if record.kind == Kind::Folder {
                record.mtime = (0, 0);
            }
        }
        restored
    }

    fn by_path(&self) -> BTreeMap<Vec<u8>, &Record> {
        let mut path: Vec<&[u8]> = Vec::new();
        let mut by_path = BTreeMap::new();
        for (depth, name, record) in &self.entries {
            path.truncate(*depth);
            path.push(name);
            by_path.insert(path.join(&b'/'), record);
        }
        by_path
    }
}

/// Fails the test with the first few differences. Two trees are the same if their entries are the
/// same one after another; only for the report are paths put together, which are long in a deep
/// tree.
#[track_caller]
fn assert_same(expected: &Snapshot, found: &Snapshot) {
    if expected == found {
        return;
    }
    let (expected, found) = (expected.by_path(), found.by_path());
    let missing = expected
        .iter()
        .filter(|(path, record)| found.get(*path) != Some(*record));
    let surplus = found
        .keys()
        .filter(|path| !expected.contains_key(*path))
        .map(|path| format!("{}: unexpected", path.escape_ascii()));
    let differences: Vec<String> = missing
        .map(|(path, record)| {
            let path_shown = path.escape_ascii();
            match found.get(path) {
                None => format!("{path_shown}: missing"),
                Some(other) => format!("{path_shown}: expected {record:?}\n  found {other:?}"),
            }
        })
        .chain(surplus)
        .take(5)
        .collect();
    panic!("the trees differ:\n{}", differences.join("\n"));
}

fn record(step: &Step<'_>) -> rustix::io::Result<Record> {
    let stat = step.stat;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        _ => Kind::Special,
    };
    let (len, content) = match kind {
        Kind::File => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = open_quietly(step.parent, step.name.to_bytes(), flags)?;
            fingerprint(file.into())?
        }
        _ => (0, 0),
    };
    let target = match kind {
        Kind::Link => readlinkat(step.parent, step.name, Vec::new())?.into_bytes(),
        _ => Vec::new(),
    };
    let atime = match kind {
        Kind::File => (stat.st_atime, nanoseconds(stat.st_atime_nsec)),
        _ => (0, 0),
    };
    Ok(Record {
        kind,
        mode: stat.st_mode & 0o7777,
        owner: (stat.st_uid, stat.st_gid),
        len,
        mtime: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
        atime,
        content,
        target,
    })
}

/// The type of this field differs between architectures.
fn nanoseconds(field: impl TryInto<i64>) -> i64 {
    field.try_into().unwrap_or(-1)
}

/// Length and hash of a file's content: of every block that is not all zeros, with its place.
/// Holes are not read.
fn fingerprint(file: File) -> rustix::io::Result<(u64, u64)> {
    const BLOCK: u64 = 4096;
    let len = u64::try_from(fstat(&file)?.st_size).unwrap_or(0);
    let mut hasher = DefaultHasher::new();
    let mut buffer = vec![0; 64 * 4096];
    let mut at = 0;
    while at < len {
        at = match seek(&file, SeekFrom::Data(at)) {
            Ok(data) => at.max(data / BLOCK * BLOCK),
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error),
        };
        let end = seek(&file, SeekFrom::Hole(at))?;
        while at < end {
            let count = match file.read_at(&mut buffer, at) {
                Ok(0) => return Ok((len, hasher.finish())),
                Ok(count) => count,
                Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
            };
            for (block, place) in buffer[..count].chunks(4096).zip((at..).step_by(4096)) {
                if block.iter().any(|byte| *byte != 0) {
                    (place, block).hash(&mut hasher);
                }
            }
            at += count as u64;
        }
        at = at.next_multiple_of(BLOCK);
    }
    Ok((len, hasher.finish()))
}
