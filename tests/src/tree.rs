//! Making, comparing and removing trees of files, however deep.
//!
//! Everything here goes by descriptor, one folder at a time: a tree of 8,000 levels has paths that
//! no system call takes, and `remove_dir_all` runs out of descriptors in it.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::{self, File, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, fstat,
    mkdirat, openat, readlinkat, seek, statat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::user::unmount_below;

/// A temporary folder that is removed with all that is in it, whatever its depth and modes.
#[derive(Debug)]
pub struct TempFolder(PathBuf);

impl TempFolder {
    /// A folder of this user alone.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("qfile-test-").tempdir();
        Self(folder.expect("a temporary folder").keep())
    }

    /// A folder that every user may enter and read.
    #[must_use]
    pub fn open_to_all() -> Self {
        let folder = Self::new();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
        folder
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A new folder in it.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.0.join(name);
        fs::create_dir_all(&folder).expect("the folder is ours");
        folder
    }
}

impl Default for TempFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        if remove(&self.0).is_err() {
            unmount_below(&self.0);
            // A test that has failed already is not to fail again over its leavings.
            let _ = remove(&self.0);
        }
    }
}

/// Sets mode and time of last modification (seconds, nanoseconds); a link has no mode to set.
pub fn set(path: &Path, mode: Option<u32>, mtime: (i64, u32)) {
    if let Some(mode) = mode {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    }
    let time = Timespec {
        tv_sec: mtime.0,
        tv_nsec: mtime.1.into(),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("it is ours");
}

/// Makes `levels` folders in each other below `folder`, all called `name`, and gives the
/// innermost.
#[must_use]
pub fn make_deep(folder: &Path, name: &str, levels: usize) -> OwnedFd {
    let mut here = open_folder(CWD, folder.as_os_str().as_bytes()).expect("the folder is there");
    for _ in 0..levels {
        mkdirat(&here, name, Mode::from_raw_mode(0o755)).expect("a folder can be made");
        here = open_folder(here.as_fd(), name.as_bytes()).expect("it has just been made");
    }
    here
}

/// Removes `folder` and all that is in it.
///
/// # Errors
/// What the system says about the first thing that cannot be removed.
pub fn remove(folder: &Path) -> io::Result<()> {
    // Whoever may not enter a folder of their own has to change that first.
    let entered = Mode::from_raw_mode(0o700);
    rustix::fs::chmodat(CWD, folder, entered, AtFlags::empty())?;
    walk(folder, None, &mut |step| match step.moment {
        Moment::Before if is_folder(step.stat) => {
            rustix::fs::chmodat(step.parent, step.name, entered, AtFlags::empty())
        }
        Moment::Before => unlinkat(step.parent, step.name, AtFlags::empty()),
        Moment::After => unlinkat(step.parent, step.name, AtFlags::REMOVEDIR),
    })?;
    fs::remove_dir(folder)
}

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
    /// Time of last access, seconds and nanoseconds; 0 for a link, which looking at it changes.
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
            if record.kind != Kind::File {
                record.atime = (0, 0);
            }
        }
        copied
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// On the way in; of a file or link the only one.
    Before,
    /// On the way out of a folder.
    After,
}

struct Step<'a> {
    moment: Moment,
    depth: usize,
    parent: BorrowedFd<'a>,
    name: &'a CString,
    stat: &'a Stat,
    /// A folder that is not entered.
    closed: bool,
}

/// Walks through everything in `root` but the folder with the components `closed`, depth first,
/// names sorted, with two descriptors at a time: the way back is `..`, so nothing else may move
/// folders of this tree meanwhile.
fn walk(
    root: &Path,
    closed: Option<&[&[u8]]>,
    visit: &mut dyn FnMut(&Step<'_>) -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    let mut here = open_folder(CWD, root.as_os_str().as_bytes())?;
    let mut waiting = vec![names_in(&here)?];
    let mut path: Vec<(CString, Stat)> = Vec::new();
    while let Some(names) = waiting.last_mut() {
        if let Some(name) = names.pop() {
            let stat = statat(&here, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            let closed = closed.is_some_and(|closed| {
                let above = path.iter().map(|(name, _)| name);
                let components = above.chain([&name]).map(|name| name.to_bytes());
                components.eq(closed.iter().copied())
            });
            visit(&Step {
                moment: Moment::Before,
                depth: path.len(),
                parent: here.as_fd(),
                name: &name,
                stat: &stat,
                closed,
            })?;
            if is_folder(&stat) && !closed {
                here = open_folder(here.as_fd(), name.as_bytes())?;
                waiting.push(names_in(&here)?);
                path.push((name, stat));
            }
        } else {
            waiting.pop();
            if let Some((name, stat)) = path.pop() {
                here = open_folder(here.as_fd(), b"..")?;
                visit(&Step {
                    moment: Moment::After,
                    depth: path.len(),
                    parent: here.as_fd(),
                    name: &name,
                    stat: &stat,
                    closed: false,
                })?;
            }
        }
    }
    Ok(())
}

/// The names in a folder, the last first.
fn names_in(folder: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let mut names = Dir::read_from(folder)?
        .map(|entry| entry.map(|entry| entry.file_name().to_owned()))
        .filter(|name| !matches!(name.as_deref().map(|n| n.to_bytes()), Ok(b"." | b"..")))
        .collect::<Result<Vec<CString>, Errno>>()?;
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

fn open_folder(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open_quietly(parent, name, flags)
}

/// Opens without leaving a time of access, where this user may.
fn open_quietly(parent: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let name = OsStr::from_bytes(name);
    match openat(parent, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(parent, name, flags, Mode::empty()),
        other => other,
    }
}

fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
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
        Kind::Link => (0, 0),
        _ => (stat.st_atime, nanoseconds(stat.st_atime_nsec)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::panic::catch_unwind;

    fn plant(folder: &Path) {
        fs::create_dir(folder.join("a")).unwrap();
        fs::write(folder.join("a/file"), b"content").unwrap();
        symlink("file", folder.join("a/link")).unwrap();
        for name in ["a/file", "a/link", "a"] {
            let mode = (name != "a/link").then_some(0o750);
            set(&folder.join(name), mode, (1_000_000, 5));
        }
    }

    #[test]
    fn a_comparison_finds_every_single_difference() {
        let temp = TempFolder::new();
        let (one, other) = (temp.folder("one"), temp.folder("other"));
        plant(&one);
        plant(&other);
        let expected = Snapshot::of(&one);
        expected.assert_arrived(&Snapshot::of(&other));
        expected.assert_unchanged(&Snapshot::of(&one));
        let changes: [fn(&Path); 8] = [
            |folder| fs::write(folder.join("a/file"), b"Content").unwrap(),
            |folder| fs::write(folder.join("a/file"), b"content\0").unwrap(),
            |folder| fs::write(folder.join("a/more"), b"").unwrap(),
            |folder| fs::remove_file(folder.join("a/file")).unwrap(),
            |folder| fs::rename(folder.join("a/file"), folder.join("a/fine")).unwrap(),
            |folder| set(&folder.join("a/file"), Some(0o751), (1_000_000, 5)),
            |folder| set(&folder.join("a/link"), None, (1_000_000, 6)),
            |folder| {
                fs::remove_file(folder.join("a/link")).unwrap();
                symlink("fil", folder.join("a/link")).unwrap();
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let changed = temp.folder(&number.to_string());
            plant(&changed);
            change(&changed);
            if number != 6 {
                set(&changed.join("a"), None, (1_000_000, 5));
            }
            let found = Snapshot::of(&changed);
            let compared = catch_unwind(|| expected.assert_arrived(&found));
            assert!(compared.is_err(), "change {number} was not found");
        }
    }

    #[test]
    fn holes_and_zeros_are_the_same_content() {
        let temp = TempFolder::new();
        let mut zeros = vec![0; 300_000];
        zeros[200_001] = 1;
        fs::write(temp.path().join("zeros"), &zeros).unwrap();
        let holes = File::create(temp.path().join("holes")).unwrap();
        holes.set_len(300_000).unwrap();
        holes.write_all_at(&[1], 200_001).unwrap();
        let found = Snapshot::of(temp.path());
        let [zeros, holes] = ["zeros", "holes"].map(|name| found.get(name).unwrap());
        assert_eq!((zeros.len, zeros.content), (holes.len, holes.content));
    }

    #[test]
    fn a_tree_of_8000_levels_is_made_seen_and_removed() {
        let temp = TempFolder::new();
        let folder = temp.folder("deep");
        drop(make_deep(&folder, "d", 8000));
        assert_eq!(Snapshot::of(&folder).len(), 8000);
        remove(&folder).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_that_is_closed_to_its_owner_is_removed() {
        let temp = TempFolder::new();
        let folder = temp.folder("closed");
        fs::write(folder.join("file"), b"").unwrap();
        set(&folder, Some(0), (0, 0));
        remove(&folder).unwrap();
        assert!(!folder.exists());
    }
}
