//! A file that is gone when it is dropped, unless it was given a name to stay under.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::rc::Rc;

use files::FileId;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::attributes::Attributes;
use crate::folder::Folder;
use crate::keep::copy_content;
use crate::place::is_refusal;

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

    /// Makes its content durable. What cannot sync files is passed over.
    pub(crate) fn sync(&self) -> io::Result<()> {
        sync(&self.file)
    }

    /// The name that it has, if any.
    pub(crate) fn name(&self) -> Option<&OsStr> {
        self.name.as_deref()
    }

    /// What has `name` in its folder now is this file.
    pub(crate) fn has_name(&self, name: &OsStr) -> io::Result<bool> {
        let (own, now) = (self.file.metadata()?, self.folder.stat(name)?);
        Ok(FileId::from(&own) == now.state.id)
    }

    /// The name by which it can be renamed; a hidden random one is given to a file without any.
    pub(crate) fn give_name(&mut self) -> io::Result<&OsStr> {
        if self.name.is_none() {
            self.rename(random_name()?)?;
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
            None => match self.folder.link_unnamed(&self.file, &name) {
                // What has no name cannot be given one everywhere; a copy can.
                Err(error) if needs_a_name(&error) => self.copy_to(&name)?,
                result => result?,
            },
        }
        self.name = Some(name);
        Ok(())
    }

    /// Becomes a copy of itself, with its attributes, that was made under `name`.
    fn copy_to(&mut self, name: &OsStr) -> io::Result<()> {
        let copy = Self {
            folder: Rc::clone(&self.folder),
            file: self.folder.create_named(name)?,
            name: Some(name.to_owned()),
        };
        copy_content(&self.file, &copy.file)?;
        let lost = Attributes::of(&self.file)?.give_to(&copy.file);
        tracing::info!(?lost, "copied to get a name");
        copy.sync()?;
        // The old one, which has no name, vanishes with what is dropped here.
        *self = copy;
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
            // Another program may have put something of its own there: editors use `FILE~`, too.
            let removed = match self.has_name(name) {
                Ok(true) => self.folder.remove(name),
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = removed {
                tracing::warn!(%error, "a temporary file is left");
            }
        }
    }
}

/// Makes the content of `file` durable. fsync(2): "EROFS, EINVAL: fd is bound to a special file which
/// does not support synchronization"; file systems in user space have more words for it.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    let cannot = [Errno::INVAL, Errno::ROFS, Errno::NOSYS, Errno::OPNOTSUPP];
    match file.sync_all() {
        Err(error)
            if cannot
                .iter()
                .any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) =>
        {
            Ok(())
        }
        result => result,
    }
}

/// Where it is not refused, /proc may be missing.
fn needs_a_name(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::NotFound || (is_refusal(error) && kind != io::ErrorKind::AlreadyExists)
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
    fn what_another_program_has_put_in_its_place_stays() {
        let home = tempfile::tempdir().unwrap();
        let folder = Rc::new(Folder::open(home.path()).unwrap());
        let mut temporary = Temporary::create(&folder).unwrap();
        temporary.rename("file~".into()).unwrap();
        fs::write(home.path().join("new"), "theirs").unwrap();
        fs::rename(home.path().join("new"), home.path().join("file~")).unwrap();
        drop(temporary);
        assert_eq!(fs::read(home.path().join("file~")).unwrap(), b"theirs");
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
