//! Where the files of the kernel and of the qube are: below `/`, or in a made-up tree.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Most bytes of a file that are read.
const MAX_LEN: u64 = 1 << 20;

/// A tree with `sys`, `proc`, `run`, `etc` and `rw`.
#[derive(Clone, Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(root: PathBuf) -> Self {
        Self(root)
    }

    /// A path in it.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Is this service of the qube on?
    pub(super) fn has_service(&self, name: &str) -> bool {
        self.path("run/qubes-service").join(name).exists()
    }

    /// The text of a file; a file that is not there has none.
    pub(super) fn text(&self, path: &str) -> io::Result<String> {
        match read(&self.path(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            text => text,
        }
    }

    /// The names in a folder, sorted; a folder that is not there has none.
    pub(super) fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            // The kernel has no other names.
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// The text of a file, at most 1 MiB of it.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_LEN).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The one word in a file of the kernel; none if the file is not there.
pub(super) fn word(path: &Path) -> Option<String> {
    read(path).ok().map(|text| text.trim().to_owned())
}
