//! Small files of the system: read whole, replaced in one step, and those that no program may change.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Folders of files that name, one a line, the files that no program may change.
const PROTECTED: [&str; 2] = [
    "/etc/qubes/protected-files.d",
    "/rw/config/protected-files.d",
];

/// Most bytes of a file that are read.
const MAX_LEN: u64 = 1 << 20;

/// Is `file` to stay as it is, because the owner of this qube has named it?
#[must_use]
pub fn is_protected(file: &str) -> bool {
    PROTECTED
        .iter()
        .any(|folder| is_named_in(Path::new(folder), file))
}

fn is_named_in(folder: &Path, file: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| read_small(&entry.path())).any(|text| {
        text.split(|byte| *byte == b'\n')
            .any(|line| line == file.as_bytes())
    })
}

/// What is in a file, at most 1 MiB; one that cannot be read has nothing.
#[must_use]
pub fn read_small(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    if let Ok(file) = File::open(path) {
        let _got = file.take(MAX_LEN).read_to_end(&mut text);
    }
    text
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
