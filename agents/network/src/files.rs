//! Files that are replaced whole, and files that somebody protects.

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

/// Is `file` to stay as it is?
pub(crate) fn is_protected(file: &str) -> bool {
    PROTECTED
        .iter()
        .any(|folder| is_named_in(Path::new(folder), file))
}

fn is_named_in(folder: &Path, file: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| read(&entry.path())).any(|text| {
        text.split(|byte| *byte == b'\n')
            .any(|line| line == file.as_bytes())
    })
}

/// What is in a file; one that cannot be read has nothing.
pub(crate) fn read(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    if let Ok(file) = File::open(path) {
        let _got = file.take(MAX_LEN).read_to_end(&mut text);
    }
    text
}

/// Puts a file in the place of `path`, or of a link there: the old content or the new one is there
/// at every moment. A file that is a mount of its own cannot be replaced, and is written to.
pub(crate) fn replace(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}", std::process::id()));
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

fn write_new(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    // One that a killed process of the same number left.
    let _none = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content.as_bytes())?;
    // Whatever the umask is.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Removes a file that may be there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Keeps other processes of this program from changing the network at the same time.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "it is held as long as it is open")] File);

impl Lock {
    const PATH: &str = "/run/qubes-network.lock";

    /// Waits for it.
    pub(crate) fn take() -> io::Result<Self> {
        let path = PathBuf::from(Self::PATH);
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
        replace(&link, "new", 0o644).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        assert_eq!(fs::read_to_string(&link).unwrap(), "new");
        assert_eq!(
            fs::metadata(&link).unwrap().permissions().mode() & 0o777,
            0o644
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        remove(&link).unwrap();
        remove(&link).unwrap();
        assert!(replace(&folder.path().join("no/file"), "", 0o644).is_err());
    }
}
