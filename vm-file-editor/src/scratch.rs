//! The folder in which the file is edited. Nothing of it outlives the session, unless it is left.

use std::cell::Cell;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use qfile_proto::QubeName;
use tempfile::TempDir;

/// How often the removal is tried: an editor on its way out may still write.
const ATTEMPTS: u32 = 5;

/// `/tmp/CALLER-XXXXXX`, 0700.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// Links resolved, as the kernel will show it in `/proc`.
    path: PathBuf,
    is_left: Cell<bool>,
}

impl Scratch {
    pub(crate) fn create(caller: &QubeName) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{caller}-"))
            .rand_bytes(6)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(Path::new("/tmp").canonicalize()?)?;
        Ok(Self {
            path: TempDir::keep(folder),
            is_left: Cell::new(false),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Has the folder outlive the session, since somebody may work in it.
    pub(crate) fn leave(&self) {
        self.is_left.set(true);
    }

    /// It will outlive the session.
    pub(crate) fn is_left(&self) -> bool {
        self.is_left.get()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.is_left() {
            return;
        }
        let mut result = fs::remove_dir_all(&self.path);
        for _ in 1..ATTEMPTS {
            if result.is_ok() {
                return;
            }
            make_removable(&self.path);
            result = fs::remove_dir_all(&self.path);
        }
        if let Err(error) = result {
            tracing::warn!(%error, "the temporary folder is left");
        }
    }
}

/// What an editor left may be in folders without permission to write. Links are not followed.
fn make_removable(folder: &Path) {
    let _best_effort = fs::set_permissions(folder, Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_removable(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn scratch() -> Scratch {
        Scratch::create(&QubeName::parse(b"work").unwrap()).unwrap()
    }

    #[test]
    fn it_is_named_after_the_caller_and_private() {
        let scratch = scratch();
        let name = scratch.path().to_str().unwrap();
        assert!(name.starts_with("/tmp/work-") && name.len() == "/tmp/work-".len() + 6);
        let mode = fs::metadata(scratch.path()).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o700);
    }

    #[test]
    fn whatever_is_in_it_goes_with_it_and_nothing_else() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("sentinel"), "").unwrap();
        let scratch = scratch();
        let path = scratch.path().to_path_buf();
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/b/file"), "").unwrap();
        symlink(outside.path(), path.join("link")).unwrap();
        for folder in ["a/b", "a", "."] {
            fs::set_permissions(path.join(folder), Permissions::from_mode(0o500)).unwrap();
        }
        drop(scratch);
        assert!(!path.exists());
        assert!(outside.path().join("sentinel").exists());
    }

    #[test]
    fn what_is_left_stays() {
        let scratch = scratch();
        let path = scratch.path().to_path_buf();
        fs::write(path.join("file"), "").unwrap();
        scratch.leave();
        drop(scratch);
        assert!(path.join("file").exists());
        fs::remove_dir_all(path).unwrap();
    }
}
