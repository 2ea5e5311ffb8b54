//! The file that is sent: opened once, and recognised later.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use files::{NotOpened, Stat};
use program::failure::Failure;
use qfile_proto::QubeName;
use qfile_proto::edit_request::{self, EditRequest};
use rustix::fs::{FileType, OFlags};

use crate::folder::Folder;

/// A regular file, open for reading, and the folder where it really is.
#[derive(Debug)]
pub struct Original {
    /// The last component of the path that the user gave: a link's own name.
    given_name: OsString,
    folder: Rc<Folder>,
    /// The name in `folder`, links resolved.
    name: OsString,
    file: File,
    stat: Stat,
    /// The qube that it is opened in, if its name is known.
    qube: Option<String>,
}

/// Why a file cannot be sent.
#[derive(Debug)]
pub enum CannotOpen {
    /// It is missing, or may not be read.
    File(PathBuf, io::Error),
    /// A folder, a device, a FIFO or a socket.
    NotRegular(PathBuf),
}

impl fmt::Display for CannotOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot open {}: {error}", text::file(path)),
            Self::NotRegular(path) => write!(f, "{} is not a regular file", text::file(path)),
        }
    }
}

impl From<CannotOpen> for Failure {
    fn from(error: CannotOpen) -> Self {
        Self::new(&error).advise(error.advice())
    }
}

impl CannotOpen {
    /// What to do about it.
    fn advice(&self) -> &'static str {
        match self {
            Self::File(_, error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "check the spelling",
                io::ErrorKind::PermissionDenied => "make it readable with chmod",
                _ => "check that it can be read",
            },
            Self::NotRegular(_) => {
                "only a file can be opened in another qube; qvm-copy copies a folder there"
            }
        }
    }
}

impl Original {
    /// Opens the file at `path`; of a link, what it points to.
    ///
    /// # Errors
    /// [`CannotOpen`], with the path as it was given.
    pub fn open(path: &Path) -> Result<Self, CannotOpen> {
        let cannot = |error| CannotOpen::File(path.to_path_buf(), error);
        let real = path.canonicalize().map_err(cannot)?;
        let not_regular = || CannotOpen::NotRegular(path.to_path_buf());
        let given_name = path.file_name().ok_or_else(not_regular)?.to_owned();
        let name = real.file_name().ok_or_else(not_regular)?.to_owned();
        let parent = real.parent().ok_or_else(not_regular)?;
        let folder = Rc::new(Folder::open(parent).map_err(cannot)?);
        // Opening a device can have effects, so it is looked at first.
        let found = folder.stat(&name).map_err(cannot)?;
        if found.state.file_type() != FileType::RegularFile {
            return Err(not_regular());
        }
        let (file, stat) = match folder.open_file(&name, OFlags::RDONLY) {
            Ok(opened) => opened,
            Err(NotOpened::NotRegular) => return Err(not_regular()),
            Err(NotOpened::System(errno)) => return Err(cannot(errno.into())),
        };
        Ok(Self {
            given_name,
            folder,
            name,
            file,
            stat,
            qube: None,
        })
    }

    /// The same, opened in the qube of this name, which an edit that is kept beside it tells.
    #[must_use]
    pub fn opened_in(self, qube: &QubeName) -> Self {
        Self {
            qube: Some(qube.as_str().to_owned()),
            ..self
        }
    }

    /// What stands for the qube that it is opened in, in the name of a file.
    pub(crate) fn qube(&self) -> &str {
        self.qube.as_deref().unwrap_or("disposable")
    }

    /// The last component of the path as the user gave it.
    #[must_use]
    pub fn given_name(&self) -> &OsStr {
        &self.given_name
    }

    /// The name that it has in the other qube, if that is another: a server gives a file no other
    /// characters than those that both qubes can show.
    #[must_use]
    pub fn name_there(&self) -> Option<String> {
        let name = self.given_name.as_encoded_bytes();
        let request = edit_request::to_bytes(name, false, false);
        let there = EditRequest::parse(&request).ok()?.file_name;
        (there.as_bytes() != name).then_some(there)
    }

    /// Bytes, when it was opened.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.stat.state.size
    }

    /// Where it really is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path_of(&self.name)
    }

    pub(crate) fn folder(&self) -> &Rc<Folder> {
        &self.folder
    }

    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// What it was when it was opened.
    pub(crate) fn stat(&self) -> &Stat {
        &self.stat
    }

    /// What has its name now is the same file, and nobody has touched it.
    pub(crate) fn is_untouched(&self) -> bool {
        let now = self.folder.stat(&self.name);
        now.is_ok_and(|now| now.state == self.stat.state)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn of_a_link_the_name_is_sent_and_the_target_opened() {
        let home = tempfile::tempdir().unwrap();
        let real = home.path().canonicalize().unwrap().join("data.bin");
        fs::write(&real, "content").unwrap();
        symlink("data.bin", home.path().join("report.odt")).unwrap();
        let original = Original::open(&home.path().join("report.odt")).unwrap();
        assert_eq!(original.given_name(), "report.odt");
        assert_eq!(original.path(), real);
    }

    #[test]
    fn what_is_no_regular_file_is_refused() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let paths = ["..", ".", "missing", "file/", "file/..", ""];
        for path in paths.map(|name| home.path().join(name)) {
            assert!(Original::open(&path).is_err(), "{path:?}");
        }
        for path in ["/", "/dev/null", ""] {
            assert!(Original::open(Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn any_change_is_noticed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        type Change = fn(&Path);
        let changes: [(&str, Change); 5] = [
            ("written", |path| fs::write(path, "longer").unwrap()),
            ("removed", |path| fs::remove_file(path).unwrap()),
            ("touched", |path| {
                let file = File::options().append(true).open(path).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            }),
            ("replaced", |path| {
                fs::write(path.with_extension("new"), "old").unwrap();
                fs::rename(path.with_extension("new"), path).unwrap();
            }),
            ("now a folder", |path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            }),
        ];
        for (change, make) in changes {
            let _fresh = fs::remove_file(&path);
            fs::write(&path, "old").unwrap();
            let original = Original::open(&path).unwrap();
            assert!(original.is_untouched(), "before: {change}");
            make(&path);
            assert!(!original.is_untouched(), "{change}");
        }
    }
}
