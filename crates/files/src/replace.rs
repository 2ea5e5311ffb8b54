//! Small files of the system: read whole, replaced in one step, and those that no program may change.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;

use crate::open::{NotOpened, OnLink, open_regular};

/// Folders of files that name, one a line, the files that no program may change.
const PROTECTED: [&str; 2] = [
    "/etc/qubes/protected-files.d",
    "/rw/config/protected-files.d",
];

/// Most bytes of a file that are read.
const MAX_LEN: u64 = 1 << 20;

/// Is `file` to stay as it is, because the owner of this qube has named it? Also where that cannot be
/// read: nothing is changed that the owner may have named.
#[must_use]
pub fn is_protected(file: &str) -> bool {
    PROTECTED
        .iter()
        .any(|folder| is_named_in(Path::new(folder), file))
}

fn is_named_in(folder: &Path, file: &str) -> bool {
    let has_line = |entry: io::Result<fs::DirEntry>| {
        let path = entry?.path();
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => {}
            // A folder, and whatever else has no lines, names nothing.
            Ok(_) => return Ok(false),
            // A link to nothing.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        let text = read_small(&path)?;
        let mut lines = text.split(|byte| *byte == b'\n');
        Ok::<_, io::Error>(lines.any(|line| line == file.as_bytes()))
    };
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.any(|entry| has_line(entry).unwrap_or(true)),
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

/// What is in a regular file, or in the one that a link leads to. One that is not there has nothing.
///
/// # Errors
/// It cannot be read, is no regular file, or has more than 1 MiB (`EFBIG`).
pub fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    read(path, OnLink::Follow, None)
}

/// The same, in a folder where others than `owner` may put something: a link, or a file of another
/// user, is an error.
///
/// # Errors
/// As [`read_small`]; `EPERM`: the file belongs to another user.
pub fn read_small_of(path: &Path, owner: u32) -> io::Result<Vec<u8>> {
    read(path, OnLink::Refuse, Some(owner))
}

/// Does a file hold this, and nothing else? One that cannot be read does not.
#[must_use]
pub fn holds(path: &Path, content: &[u8]) -> bool {
    path.exists() && read_small(path).is_ok_and(|now| now == content)
}

fn read(path: &Path, on_link: OnLink, owner: Option<u32>) -> io::Result<Vec<u8>> {
    let (file, stat) = match open_regular(CWD, path, OFlags::RDONLY, on_link) {
        Err(NotOpened::System(Errno::NOENT)) => return Ok(Vec::new()),
        opened => opened?,
    };
    if owner.is_some_and(|owner| owner != stat.owner.0) {
        return Err(Errno::PERM.into());
    }
    let mut content = Vec::new();
    file.take(MAX_LEN + 1).read_to_end(&mut content)?;
    match content.len() as u64 > MAX_LEN {
        true => Err(Errno::FBIG.into()),
        false => Ok(content),
    }
}

/// Puts a file in the place of `path`, or of a link there: the old content or the new one is there
/// at every moment. A file that is a mount of its own cannot be replaced, and is written to.
///
/// # Errors
/// Those of the calls. Then nothing has changed, except in a file that is a mount.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let new = beside(path);
    let written = write_new(&new, content, mode).and_then(|()| fs::rename(&new, path));
    match written {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::BUSY) => {
            let _there = fs::remove_file(&new);
            fs::write(path, content)
        }
        Err(error) => {
            let _may_be_there = fs::remove_file(&new);
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

/// Puts a symbolic link to `target` in the place of `path`, likewise.
///
/// # Errors
/// Those of the calls. Then nothing has changed.
pub fn replace_with_link(path: &Path, target: &Path) -> io::Result<()> {
    let new = beside(path);
    let _none = fs::remove_file(&new);
    let made = std::os::unix::fs::symlink(target, &new).and_then(|()| fs::rename(&new, path));
    if made.is_err() {
        let _may_be_there = fs::remove_file(&new);
    }
    made
}

/// A name for a new file, in the same folder.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    // One that a killed process of the same number left.
    let _none = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    // Whatever the umask is.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Removes a file that may be there; whether it was.
///
/// # Errors
/// Those of the call.
pub fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Keeps other processes that take the same file from working at the same time.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it is held as long as it is open")] File);

impl Lock {
    /// Waits for it. `path` is created if need be, and never removed.
    ///
    /// # Errors
    /// The file cannot be created or locked.
    pub fn take(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_the_exact_line_protects() {
        let folder = tempfile::tempdir().unwrap();
        let protects = |text: &str| {
            fs::write(folder.path().join("x"), text).unwrap();
            is_named_in(folder.path(), "/etc/resolv.conf")
        };
        assert!(protects("# x\n/etc/resolv.conf\n"));
        assert!(protects("/etc/resolv.conf"));
        for text in [
            "",
            " /etc/resolv.conf",
            "/etc/resolv.conf2",
            "#/etc/resolv.conf",
        ] {
            assert!(!protects(text), "{text:?}");
        }
        assert!(!is_named_in(
            Path::new("/no/such/folder"),
            "/etc/resolv.conf"
        ));
    }

    #[test]
    fn what_cannot_be_read_protects() {
        let folder = tempfile::tempdir().unwrap();
        let is_protected = || is_named_in(folder.path(), "/etc/resolv.conf");
        fs::create_dir(folder.path().join("folder")).unwrap();
        symlink("nowhere", folder.path().join("dangling")).unwrap();
        assert!(!is_protected());
        let long = File::create(folder.path().join("long")).unwrap();
        long.set_len(MAX_LEN + 1).unwrap();
        assert!(is_protected());
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert_eq!(read_small(&path("missing")).unwrap(), b"");
        fs::write(path("file"), vec![b'x'; 1 << 20]).unwrap();
        symlink("file", path("link")).unwrap();
        assert_eq!(read_small(&path("link")).unwrap().len(), 1 << 20);
        fs::write(path("file"), vec![b'x'; (1 << 20) + 1]).unwrap();
        let error = read_small(&path("file")).unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::FBIG));
        assert!(read_small(folder.path()).is_err());
        fs::write(path("own"), "text").unwrap();
        let me = std::os::unix::fs::MetadataExt::uid(&fs::metadata(path("own")).unwrap());
        assert!(holds(&path("own"), b"text") && !holds(&path("own"), b"tex"));
        assert!(!holds(&path("missing"), b"") && !holds(folder.path(), b""));
        assert_eq!(read_small_of(&path("own"), me).unwrap(), b"text");
        assert_eq!(read_small_of(&path("missing"), me).unwrap(), b"");
        let error = read_small_of(&path("own"), me + 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        symlink("own", path("other")).unwrap();
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(CWD, path("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for name in ["other", "fifo"] {
            assert!(read_small_of(&path(name), me).is_err(), "{name}");
        }
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        symlink(&target, &link).unwrap();
        replace(&link, b"new", 0o644).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        assert_eq!(fs::read_to_string(&link).unwrap(), "new");
        assert_eq!(
            fs::metadata(&link).unwrap().permissions().mode() & 0o777,
            0o644
        );
        replace_with_link(&link, Path::new("target")).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("target"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(remove(&link).unwrap());
        assert!(!remove(&link).unwrap());
        assert!(replace(&folder.path().join("no/file"), b"", 0o644).is_err());
    }

    #[test]
    fn a_lock_is_held_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = Lock::take(&path).unwrap();
        let file = File::open(&path).unwrap();
        let try_it =
            || rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        assert_eq!(try_it(), Err(Errno::WOULDBLOCK));
        drop(held);
        assert_eq!(try_it(), Ok(()));
    }
}
