//! The folder in which a choice begins: that of the last one.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Where the folder is kept, below the user's folder of states.
const KEPT: &str = "qfile/select-file";

/// The folder of the last choice, else the home folder, else `/`.
pub(super) fn folder() -> PathBuf {
    let kept = kept().and_then(|kept| files::read_small(&kept).ok());
    let kept = kept.and_then(|kept| near(Path::new(OsStr::from_bytes(&kept))));
    let home = || absolute("HOME").and_then(|home| near(&home));
    kept.or_else(home).unwrap_or_else(|| PathBuf::from("/"))
}

/// `path`, or the nearest folder above it that is there. `None`: it is not absolute.
pub(super) fn near(path: &Path) -> Option<PathBuf> {
    // No argument can hold a NUL, and none is in a path.
    if !path.is_absolute() || path.as_os_str().as_bytes().contains(&0) {
        return None;
    }
    let there = path.ancestors().find(|folder| folder.is_dir());
    there.map(Path::to_owned)
}

/// Keeps `folder` for the next choice.
pub(super) fn remember(folder: &Path) -> io::Result<()> {
    let Some(kept) = kept() else {
        return Ok(());
    };
    let folder = folder.as_os_str().as_bytes();
    if fs::read(&kept).is_ok_and(|now| now == folder) {
        return Ok(());
    }
    if let Some(parent) = kept.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    files::replace(&kept, folder, 0o600)
}

fn kept() -> Option<PathBuf> {
    let states = absolute("XDG_STATE_HOME");
    let states = states.or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    states.map(|states| states.join(KEPT))
}

fn absolute(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os(variable)?);
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_gone_is_replaced_by_one_above_it() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("a");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), "").unwrap();
        assert_eq!(near(&folder), Some(folder.clone()));
        assert_eq!(near(&folder.join("file")), Some(folder.clone()));
        assert_eq!(near(&folder.join("gone/b")), Some(folder));
        assert_eq!(near(Path::new("/no/such")), Some("/".into()));
        for unusable in ["", "a", "--help", "/\0"] {
            assert_eq!(near(Path::new(unusable)), None, "{unusable:?}");
        }
    }
}
