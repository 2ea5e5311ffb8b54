//! Trees for tests, also deeper than any path may be long.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use walk::{Arguments, Links, What};

/// A chain of folders, all named `d`, that can be any number of levels deep.
pub(crate) struct Chain {
    top: OwnedFd,
    /// The folder that is `levels` deep.
    pub(crate) bottom: OwnedFd,
}

impl Chain {
    /// Makes `levels` folders below `folder`, and lets `each` put more into every one of them.
    pub(crate) fn new(folder: &Path, levels: usize, mut each: impl FnMut(&OwnedFd)) -> Self {
        let top = open(CWD, folder);
        let mut bottom = open(&top, ".");
        for _ in 0..levels {
            mkdirat(&bottom, "d", Mode::RWXU).unwrap();
            bottom = open(&bottom, "d");
            each(&bottom);
        }
        Self { top, bottom }
    }
}

impl Drop for Chain {
    /// Takes out one level after the other from the top: removing from the bottom, as
    /// `remove_dir_all` does, would need every level open.
    fn drop(&mut self) {
        while renameat(&self.top, "d", &self.top, "old").is_ok() {
            let old = open(&self.top, "old");
            let _at_the_bottom_there_is_none = renameat(&old, "d", &self.top, "d");
            for file in ["1", "2", "3"] {
                let _there_may_be_none = unlinkat(&old, file, AtFlags::empty());
            }
            if unlinkat(&self.top, "old", AtFlags::REMOVEDIR).is_err() {
                return;
            }
        }
    }
}

pub(crate) fn open(folder: impl AsFd, name: impl rustix::path::Arg) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty()).unwrap()
}

/// A file that holds its own name.
pub(crate) fn make_file(folder: &impl AsFd, name: &str) {
    let flags = OFlags::CREATE | OFlags::WRONLY;
    let file = openat(folder, name, flags, Mode::RUSR | Mode::WUSR).unwrap();
    File::from(file).write_all(name.as_bytes()).unwrap();
}

pub(crate) fn arguments(paths: &[&Path]) -> Arguments {
    Arguments::new(paths.iter().map(|path| OsString::from(*path))).unwrap()
}

/// What a walk hands out, one line for each step: `+` and `-` for a folder entered and left, `f`
/// file, `l` link, `s` special, `!` an error; then the name (for an error the path).
pub(crate) fn steps(arguments: &Arguments, links: Links) -> Vec<String> {
    let mut walk = arguments.walk(links);
    let mut steps = Vec::new();
    while let Some(entry) = walk.next() {
        steps.push(match entry {
            Ok(entry) => {
                let sign = match entry.what {
                    What::EnterFolder(_) => '+',
                    What::LeaveFolder(_) => '-',
                    What::File(_) => 'f',
                    What::Symlink(_) => 'l',
                    What::Special(_) => 's',
                };
                format!("{sign}{}", String::from_utf8_lossy(entry.name))
            }
            Err(error) => format!("!{}", String::from_utf8_lossy(&error.path)),
        });
    }
    steps
}
