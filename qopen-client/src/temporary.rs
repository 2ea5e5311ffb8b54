//! A file that is gone when it is dropped, unless it was given a name to stay under.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::rc::Rc;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::folder::Folder;

/// A new file, 0600, in a folder. Where the file system allows it, it has no name: then not even
/// SIGKILL leaves it behind.
#[derive(Debug)]
pub(crate) struct Temporary {
    folder: Rc<Folder>,
    file: File,
    name: Option<OsString>,
}

impl Temporary {
    pub(crate) fn create(folder: &Rc<Folder>) -> io::Result<Self> {
        let folder = Rc::clone(folder);
        match folder.create_unnamed() {
            Ok(file) => Ok(Self {
                folder,
                file,
                name: None,
            }),
            Err(error) if lacks_unnamed_files(&error) => Self::create_named(folder),
            Err(error) => Err(error),
        }
    }

    fn create_named(folder: Rc<Folder>) -> io::Result<Self> {
        let name = random_name()?;
        let file = folder.create_named(&name)?;
        let name = Some(name);
        Ok(Self { folder, file, name })
    }

    pub(crate) fn folder(&self) -> &Rc<Folder> {
        &self.folder
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The name by which it can be renamed; a hidden random one is given to a file without any.
    pub(crate) fn give_name(&mut self) -> io::Result<&OsStr> {
        if self.name.is_none() {
            let name = random_name()?;
            self.folder.link_unnamed(&self.file, &name)?;
            self.name = Some(name);
        }
        Ok(self.name.as_deref().unwrap_or_default())
    }

    /// Gives it a new random name in place of the one it has.
    pub(crate) fn hide(&mut self) -> io::Result<&OsStr> {
        self.rename(random_name()?)?;
        self.give_name()
    }

    /// Gives it `name`, for as long as it is not dropped.
    ///
    /// # Errors
    /// `EEXIST` if the name is taken.
    pub(crate) fn rename(&mut self, name: OsString) -> io::Result<()> {
        match &self.name {
            Some(old) => self.folder.rename_new(old, &name)?,
            None => self.folder.link_unnamed(&self.file, &name)?,
        }
        self.name = Some(name);
        Ok(())
    }

    /// Its name belongs to something else now, which stays.
    pub(crate) fn forget_name(&mut self) {
        self.name = None;
    }

    /// Lets whatever has its name stay; the name, if it had one.
    pub(crate) fn leave(mut self) -> Option<OsString> {
        self.name.take()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            if let Err(error) = self.folder.remove(name) {
                tracing::warn!(%error, "a temporary file is left");
            }
        }
    }
}

/// open(2), `O_TMPFILE`: "EISDIR: an old kernel"; "EOPNOTSUPP: the filesystem does not support it".
fn lacks_unnamed_files(error: &io::Error) -> bool {
    let lacks = [Errno::ISDIR, Errno::OPNOTSUPP, Errno::INVAL, Errno::NOSYS];
    lacks
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn random_name() -> io::Result<OsString> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    Ok(format!(".qopen-{:016x}.tmp", u64::from_ne_bytes(bytes)).into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn nothing_is_left_of_it_unless_it_is_told_to_stay() {
        let home = tempfile::tempdir().unwrap();
        let folder = Rc::new(Folder::open(home.path()).unwrap());
        for make in [
            Temporary::create as fn(&Rc<Folder>) -> _,
            |folder: &Rc<Folder>| Temporary::create_named(Rc::clone(folder)),
        ] {
            let mut temporary = make(&folder).unwrap();
            temporary.give_name().unwrap();
            assert_eq!(names(home.path()).len(), 1);
            temporary.rename("renamed".into()).unwrap();
            assert_eq!(names(home.path()), ["renamed"]);
            drop(temporary);
            assert_eq!(names(home.path()), [""; 0]);

            let mut temporary = make(&folder).unwrap();
            temporary.rename("stays".into()).unwrap();
            assert_eq!(temporary.leave(), Some("stays".into()));
            assert_eq!(names(home.path()), ["stays"]);
            folder.remove(OsStr::new("stays")).unwrap();
        }
    }

    #[test]
    fn a_name_that_is_taken_is_not_taken_over() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("taken"), "theirs").unwrap();
        let folder = Rc::new(Folder::open(home.path()).unwrap());
        for named in [false, true] {
            let mut temporary = Temporary::create(&folder).unwrap();
            if named {
                temporary.give_name().unwrap();
            }
            let error = temporary.rename("taken".into()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read(home.path().join("taken")).unwrap(), b"theirs");
        assert_eq!(names(home.path()), ["taken"]);
    }
}
