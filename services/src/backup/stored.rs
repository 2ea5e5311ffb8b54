//! A backup in a folder: under a name that says that it is not whole, until it is.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use files::{Fallback, rename_new};
use jiff::Zoned;
use rustix::fs::Access;
use rustix::fs::{AtFlags, Mode, OFlags, accessat, openat, unlinkat};
use rustix::io::Errno;

use crate::Error;

/// How many backups of one second are told apart.
const MAX_SAME: u32 = 100;

/// A backup that is being written.
#[derive(Debug)]
pub(super) struct Stored {
    folder: File,
    path: PathBuf,
    /// When it began, as a name.
    time: String,
    /// What it is called when it is whole.
    name: String,
    /// What is written.
    pub(super) file: File,
}

impl Stored {
    /// Makes a file in `folder` that nobody else may read.
    pub(super) fn begin(folder: &Path) -> Result<Self, Error> {
        let shown = || folder.as_os_str().as_bytes().to_vec();
        // No colons: the file systems of memory sticks have none in names.
        let time = Zoned::now()
            .strftime("qubes-backup-%Y-%m-%dT%H%M%S")
            .to_string();
        let begin = || {
            let opened = File::open(folder)?;
            let (name, file) = create(&opened, &time)?;
            Ok((opened, name, file))
        };
        let (opened, name, file) = begin().map_err(|error| Error::Store(shown(), error))?;
        Ok(Self {
            folder: opened,
            path: folder.to_owned(),
            time,
            name,
            file,
        })
    }

    /// Gives it its name, when it is on disk.
    pub(super) fn finish(self) -> Result<(), Error> {
        if let Err(error) = self.file.sync_all() {
            return Err(self.abandon(Error::Write(error)));
        }
        self.name_it()
            .map_err(|error| Error::Store(self.path.as_os_str().as_bytes().to_vec(), error))
    }

    /// Gives it the name that it began with, or, where another backup has that by now, the next.
    fn name_it(&self) -> io::Result<()> {
        let begun = incomplete(&self.name);
        let mut names = std::iter::once(self.name.clone()).chain(names_of(&self.time));
        loop {
            let name = names.next().ok_or(Errno::EXIST)?;
            match rename_new(&self.folder, &*begun, &*name, Fallback::Claim) {
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
                Ok(()) => break,
            }
        }
        match self.folder.sync_all() {
            // This file system cannot sync a folder on its own.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
            result => result,
        }
    }

    /// Keeps what came of a backup that is not whole, and says so; removes what could not be written.
    pub(super) fn abandon(self, failure: Error) -> Error {
        let name = incomplete(&self.name);
        match failure {
            Error::NotWhole(fault, _) => Error::NotWhole(fault, Some(name)),
            other => {
                let _stays_as_incomplete = unlinkat(&self.folder, name, AtFlags::empty());
                other
            }
        }
    }
}

fn incomplete(name: &str) -> String {
    format!("{name}.incomplete")
}

/// A new file for a backup that will be called `time`, or `time-2` and so on where that is taken.
fn create(folder: &File, time: &str) -> io::Result<(String, File)> {
    for name in names_of(time) {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        if is_there(folder, &name) {
            continue;
        }
        match openat(folder, incomplete(&name), flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => return Ok((name, file.into())),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Errno::EXIST.into())
}

/// `time`, then `time-2` and so on.
fn names_of(time: &str) -> impl Iterator<Item = String> {
    (1..=MAX_SAME).map(move |number| match number {
        1 => time.to_owned(),
        _ => format!("{time}-{number}"),
    })
}

fn is_there(folder: &File, name: &str) -> bool {
    accessat(folder, name, Access::EXISTS, AtFlags::SYMLINK_NOFOLLOW) != Err(Errno::NOENT)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn nothing_is_ever_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = File::open(dir.path()).unwrap();
        fs::write(dir.path().join("t"), "a backup").unwrap();
        fs::write(dir.path().join("t-2.incomplete"), "another, under way").unwrap();
        let (name, _file) = create(&folder, "t").unwrap();
        assert_eq!(name, "t-3");
        let rename = |to| rename_new(&folder, "t-3.incomplete", to, Fallback::Claim);
        assert_eq!(rename("t"), Err(Errno::EXIST));
        rename("t-3").unwrap();
        assert_eq!(fs::read(dir.path().join("t")).unwrap(), b"a backup");
        assert!(dir.path().join("t-3").exists());
    }

    #[test]
    fn a_backup_whose_name_was_taken_meanwhile_gets_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let stored = Stored::begin(dir.path()).unwrap();
        let (name, time) = (stored.name.clone(), stored.time.clone());
        fs::write(dir.path().join(&name), "another").unwrap();
        stored.finish().unwrap();
        assert_eq!(fs::read(dir.path().join(&name)).unwrap(), b"another");
        assert_eq!(fs::read(dir.path().join(format!("{time}-2"))).unwrap(), b"");
    }

    #[test]
    fn what_could_not_be_written_is_removed_and_what_was_cut_is_kept() {
        use crate::ArchiveError;
        let dir = tempfile::tempdir().unwrap();
        let names = || fs::read_dir(dir.path()).unwrap().count();
        let stored = Stored::begin(dir.path()).unwrap();
        stored.abandon(Error::Write(Errno::NOSPC.into()));
        assert_eq!(names(), 0);
        let stored = Stored::begin(dir.path()).unwrap();
        let failure = stored.abandon(Error::NotWhole(ArchiveError::Cut(None), None));
        assert!(
            failure.message().contains(".incomplete"),
            "{}",
            failure.message()
        );
        assert_eq!(names(), 1);
    }
}
