//! The way to a settings file, judged step by step: whoever may write to a folder on the way can put
//! another file there.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use files::{OnLink, Stat};
use rustix::fs::{CWD, FileType, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;
use rustix::process::Uid;

use crate::trusted::Unusable;

/// Most links on a way: that of Linux (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A file or folder below a folder at which judging begins.
///
/// That is a home folder or `/etc`. Those above it are the system's, as for sshd (`StrictModes` in
/// sshd_config(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    from: PathBuf,
    below: PathBuf,
}

/// Where a way ends: a name that is no link, in a folder that was judged.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) folder: OwnedFd,
    pub(crate) name: OsString,
    /// The whole path, for people.
    pub(crate) shown: PathBuf,
}

/// A way so far.
#[derive(Debug)]
struct Way {
    folder: OwnedFd,
    shown: PathBuf,
    rest: VecDeque<OsString>,
}

impl Place {
    /// `below`, one name or more, in the folder `from`.
    pub fn new(from: impl Into<PathBuf>, below: impl Into<PathBuf>) -> Self {
        Self {
            from: from.into(),
            below: below.into(),
        }
    }

    /// The whole path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.from.join(&self.below)
    }

    /// Goes there. `None`: there is nothing.
    ///
    /// # Errors
    /// Something on the way, or at its end, belongs to neither root nor `account`, or group or others
    /// may write to it. A link may be refused; one that is followed has to belong to them as well, and
    /// its target is judged in the same way: from `from` on, or from the root folder if it is elsewhere.
    pub(crate) fn find(&self, account: Uid, on_link: OnLink) -> Result<Option<End>, Unusable> {
        let Some(mut way) = Way::begin(&self.from, account)? else {
            return Ok(None);
        };
        way.rest = names(&self.below);
        let mut links = 0;
        while let Some(name) = way.rest.pop_front() {
            let here = way.shown.join(&name);
            let unusable = |why: &dyn fmt::Display| unusable(&here, why);
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let found = match openat(&way.folder, &name, flags, Mode::empty()) {
                Ok(found) => found,
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(unusable(&error)),
            };
            let stat = Stat::fresh(&found).map_err(|error| unusable(&error))?;
            if stat.state.file_type() == FileType::Symlink {
                links += 1;
                if on_link == OnLink::Refuse || links > MAX_LINKS {
                    return Err(unusable(&"it is a symbolic link"));
                }
                judge_owner(&stat, account).map_err(|why| unusable(&why))?;
                let target = readlinkat(&found, "", Vec::new());
                let target = target.map_err(|error| unusable(&error))?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if !way.follow(&target, &self.from, account)? {
                    return Ok(None);
                }
                continue;
            }
            judge(&stat, account).map_err(|why| unusable(&why))?;
            if way.rest.is_empty() {
                let folder = way.folder;
                return Ok(Some(End {
                    folder,
                    name,
                    shown: here,
                }));
            }
            if !stat.state.is_folder() {
                return Err(unusable(&"it is no folder"));
            }
            way.folder = found;
            way.shown = here;
        }
        Err(unusable(&way.shown, &"it is a folder"))
    }
}

impl Way {
    /// The way that begins with the folder `from`. `None`: it is missing.
    fn begin(from: &Path, account: Uid) -> Result<Option<Self>, Unusable> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = match openat(CWD, from, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(unusable(from, &error)),
        };
        let stat = Stat::fresh(&folder).map_err(|error| unusable(from, &error))?;
        judge(&stat, account).map_err(|why| unusable(from, &why))?;
        Ok(Some(Self {
            folder,
            shown: from.to_owned(),
            rest: VecDeque::new(),
        }))
    }

    /// Goes on with the target of a link; false if the folder is missing in which it begins.
    fn follow(&mut self, target: &Path, from: &Path, account: Uid) -> Result<bool, Unusable> {
        let mut rest = if target.is_absolute() {
            let (begin, below) = match target.strip_prefix(from) {
                Ok(below) => (from, below),
                Err(_) => (Path::new("/"), target),
            };
            let Some(Self { folder, shown, .. }) = Self::begin(begin, account)? else {
                return Ok(false);
            };
            self.folder = folder;
            self.shown = shown;
            names(below)
        } else {
            names(target)
        };
        rest.append(&mut self.rest);
        self.rest = rest;
        Ok(true)
    }
}

/// The names of a path, `..` among them.
fn names(path: &Path) -> VecDeque<OsString> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::new("..").to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}

pub(crate) fn unusable(path: &Path, why: &dyn fmt::Display) -> Unusable {
    Unusable(format!("{}: {why}", text::file(path)))
}

/// Refuses what somebody else may have written.
pub(crate) fn judge(stat: &Stat, account: Uid) -> Result<(), String> {
    judge_owner(stat, account)?;
    let others = Mode::WGRP | Mode::WOTH;
    match Mode::from_raw_mode(stat.state.mode).intersects(others) {
        true => Err("its group or others may write to it".to_owned()),
        false => Ok(()),
    }
}

fn judge_owner(stat: &Stat, account: Uid) -> Result<(), String> {
    let (owner, _) = stat.owner;
    match [0, account.as_raw()].contains(&owner) {
        true => Ok(()),
        false => Err(format!(
            "it belongs to uid {owner}, which is neither root nor uid {}",
            account.as_raw()
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use rustix::process::{getuid, umask};
    use tempfile::TempDir;

    use super::*;

    const FILE: &str = ".config/qfile/file";

    /// A home folder with a file.
    fn home() -> TempDir {
        umask(Mode::from_raw_mode(0o022));
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join(".config/qfile")).unwrap();
        fs::write(home.path().join(FILE), "").unwrap();
        home
    }

    fn find(home: &TempDir, below: &str, on_link: OnLink) -> Result<bool, String> {
        let found = Place::new(home.path(), below).find(getuid(), on_link);
        let found = found.map_err(|error| error.to_string())?;
        Ok(found.is_some())
    }

    #[test]
    fn each_folder_from_the_first_on_is_judged_whether_the_file_is_there_or_not() {
        for folder in ["", ".config", ".config/qfile"] {
            for mode in [0o777, 0o775, 0o757, 0o1777] {
                let home = home();
                // Without a slash at its end.
                let path: PathBuf = home.path().join(folder).components().collect();
                fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
                for below in [FILE, ".config/qfile/missing"] {
                    let error = find(&home, below, OnLink::Refuse).unwrap_err();
                    let expected = format!("{}: its group or others", text::file(&path));
                    assert!(error.starts_with(&expected), "{error}");
                }
            }
        }
        let home = home();
        assert_eq!(find(&home, FILE, OnLink::Refuse), Ok(true));
        for missing in [".config/qfile/missing", ".config/other/file"] {
            assert_eq!(find(&home, missing, OnLink::Refuse), Ok(false));
        }
        let missing = Place::new("/nonexistent/home", FILE);
        assert!(missing.find(getuid(), OnLink::Refuse).unwrap().is_none());
        assert!(find(&home, &format!("{FILE}/x"), OnLink::Refuse).is_err());
    }

    #[test]
    fn a_link_on_the_way_is_refused_or_followed_to_what_is_judged_too() {
        let home = home();
        let path = |name: &str| home.path().join(name);
        fs::rename(path(".config"), path("settings")).unwrap();
        let targets = [
            "settings".into(),
            path("settings"),
            "./x/../settings".into(),
        ];
        fs::create_dir(path("x")).unwrap();
        for target in targets {
            symlink(&target, path(".config")).unwrap();
            let refused = find(&home, FILE, OnLink::Refuse).unwrap_err();
            assert!(refused.contains("symbolic link"), "{refused}");
            assert_eq!(find(&home, FILE, OnLink::Follow), Ok(true), "{target:?}");
            fs::set_permissions(path("settings"), Permissions::from_mode(0o777)).unwrap();
            let judged = find(&home, FILE, OnLink::Follow).unwrap_err();
            assert!(judged.contains("may write"), "{judged}");
            fs::set_permissions(path("settings"), Permissions::from_mode(0o755)).unwrap();
            fs::remove_file(path(".config")).unwrap();
        }
        symlink("missing", path(".config")).unwrap();
        assert_eq!(find(&home, FILE, OnLink::Follow), Ok(false));
        fs::remove_file(path(".config")).unwrap();
        symlink(".config", path(".config")).unwrap();
        assert!(find(&home, FILE, OnLink::Follow).is_err());
    }

    /// The folder of all temporary files is above a home folder here, and others may write to it.
    #[test]
    fn a_link_out_of_the_first_folder_is_judged_from_the_root_folder_on() {
        let (home, other) = (home(), tempfile::tempdir().unwrap());
        let shared = other.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
        let elsewhere = shared.join("qfile");
        fs::rename(home.path().join(".config/qfile"), &elsewhere).unwrap();
        symlink(&elsewhere, home.path().join(".config/qfile")).unwrap();
        let error = find(&home, FILE, OnLink::Follow).unwrap_err();
        assert!(error.contains("may write"), "{error}");
    }

    #[test]
    fn what_belongs_to_root_or_the_account_counts() {
        let mut stat = Stat::fresh(fs::File::open("/").unwrap()).unwrap();
        stat.owner = (7, 7);
        let judged = judge(&stat, Uid::from_raw(8)).unwrap_err();
        assert!(judged.contains("uid 7"));
        assert!(judge_owner(&stat, Uid::from_raw(8)).is_err());
        assert_eq!(judge(&stat, Uid::from_raw(7)), Ok(()));
        stat.owner = (0, 7);
        assert_eq!(judge(&stat, Uid::from_raw(7)), Ok(()));
    }
}
