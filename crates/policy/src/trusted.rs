//! Settings on a host where several people have accounts: only what root or the account itself has
//! written counts. A policy that somebody else might have written denies everything.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use files::{NotOpened, OnLink, Stat, open_regular};
use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::Uid;

use crate::place::{Place, judge, unusable};
use crate::{Policy, Rule, is_policy, text_of};

/// A file that is longer, in bytes, is none of these.
const MAX_LEN: u64 = 1 << 20;

/// Why a file or the policy cannot be used, with the path and the line. Of the policy, it is for the
/// owner of the host and not for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable(pub(crate) String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

/// Reads the `*.policy` files of `folders`: one folder after the other, each in the order of the names.
/// A folder that is missing is one without lines.
///
/// # Errors
/// A file, its folder or one above it, up to the first of its place, belongs to neither root nor
/// `account`, or group or others may write to it, or it is no folder or file (a link is none), or it
/// cannot be read, or a line is wrong.
pub fn load(folders: &[Place], account: Uid) -> Result<Policy, Unusable> {
    let mut policy = Policy::default();
    for folder in folders {
        policy.0.append(&mut load_folder(folder, account)?.0);
    }
    Ok(policy)
}

fn load_folder(place: &Place, account: Uid) -> Result<Policy, Unusable> {
    let Some(end) = place.find(account, OnLink::Refuse)? else {
        return Ok(Policy::default());
    };
    let unusable = |why: &dyn fmt::Display| unusable(&end.shown, why);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match openat(&end.folder, &end.name, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOTDIR) => return Err(unusable(&"it is no folder")),
        Err(error) => return Err(unusable(&error)),
    };
    let stat = Stat::fresh(&folder).map_err(|error| unusable(&error))?;
    judge(&stat, account).map_err(|why| unusable(&why))?;
    let mut policy = Policy::default();
    for name in names(&folder).map_err(|error| unusable(&error))? {
        let file = end.shown.join(&name);
        let rules = load_file(&folder, &name, account)
            .map_err(|why| Unusable(format!("{}: {why}", text::file(&file))))?;
        policy.0.extend(rules.0);
    }
    Ok(policy)
}

fn names(folder: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if is_policy(Path::new(name)) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn load_file(folder: &OwnedFd, name: &OsStr, account: Uid) -> Result<Policy, String> {
    let text = read_in(folder, name, account)?;
    let text = text.ok_or("it was removed while it was read")?;
    of_plain_host(Policy::parse(&text)?)
}

/// Reads the text of a file that nobody but root and `account` can have written. A link is followed:
/// `Place` judges its owner and the way to its target. `None`: there is no such file.
///
/// # Errors
/// As of [`load`]. The file is no regular file, or too long, or no text, or it cannot be read.
pub fn read(place: &Place, account: Uid) -> Result<Option<String>, Unusable> {
    let Some(end) = place.find(account, OnLink::Follow)? else {
        return Ok(None);
    };
    read_in(&end.folder, &end.name, account).map_err(|why| unusable(&end.shown, &why))
}

fn read_in(folder: impl AsFd, name: &OsStr, account: Uid) -> Result<Option<String>, String> {
    let (file, stat) = match open_regular(folder, name, OFlags::RDONLY, OnLink::Refuse) {
        Ok(opened) => opened,
        Err(NotOpened::System(Errno::NOENT)) => return Ok(None),
        Err(NotOpened::NotRegular) => {
            return Err("it is a symbolic link, or not a regular file".to_owned());
        }
        Err(error) => return Err(error.to_string()),
    };
    judge(&stat, account)?;
    let mut bytes = Vec::new();
    let mut file = file.take(MAX_LEN + 1);
    match file.read_to_end(&mut bytes) {
        Ok(_) if file.limit() == 0 => Err(format!("it is longer than {MAX_LEN} bytes")),
        Ok(_) => text_of(bytes).map(Some),
        Err(error) => Err(error.to_string()),
    }
}

/// Refuses lines that no call to a plain host can match: a denial among them would deny nothing.
fn of_plain_host(policy: Policy) -> Result<Policy, String> {
    match policy.0.iter().all(Rule::fits_plain_host) {
        true => Ok(policy),
        false => Err(
            "on this machine, TARGET is @default, @anyvm or *, and SOURCE a name, @anyvm or *"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use qfile_proto::QubeName;
    use qrexec::{Service, Target};
    use rustix::process::{getuid, umask};
    use tempfile::TempDir;

    use super::*;
    use crate::Decision;

    struct Folder(TempDir);

    impl Folder {
        /// A folder with one rule, which allows all.
        fn new() -> Self {
            umask(Mode::from_raw_mode(0o022));
            let folder = Self(tempfile::tempdir().unwrap());
            fs::create_dir(folder.path("")).unwrap();
            folder.write("50-all.policy", "* * * * allow\n");
            folder
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join("policy.d").join(name)
        }

        fn place(&self) -> Place {
            Place::new(self.0.path(), "policy.d")
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        fn set_mode(&self, name: &str, mode: u32) {
            fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
        }

        fn load(&self) -> Result<Policy, Unusable> {
            load(&[self.place()], getuid())
        }

        #[track_caller]
        fn assert_unusable(&self, place: &str, why: &str) {
            let error = self.load().unwrap_err().to_string();
            assert!(error.contains(place) && error.contains(why), "{error}");
        }
    }

    fn says(policy: &Policy) -> Option<Decision> {
        let (a, svc) = (
            QubeName::parse(b"a").unwrap(),
            Service::parse("svc").unwrap(),
        );
        policy.decide(&a, &Target::Default, &svc).cloned()
    }

    #[test]
    fn the_first_folder_comes_first_and_names_are_sorted() {
        let (first, second) = (Folder::new(), Folder::new());
        let missing = Place::new(first.0.path(), "missing");
        let folders = [missing, first.place(), second.place()];
        let load = || load(&folders, getuid()).unwrap();
        assert_eq!(load().0.len(), 2);
        second.write("10.policy", "* * * * deny\n");
        assert!(matches!(says(&load()), Some(Decision::Allow { .. })));
        first.write("60.policy", "* * * * deny\n");
        assert!(matches!(says(&load()), Some(Decision::Allow { .. })));
        first.write("40.policy", "* * * * deny\n");
        first.write("10.policy.dpkg-old", "nonsense\n");
        assert_eq!(says(&load()), Some(Decision::Deny));
    }

    #[test]
    fn what_others_may_write_denies_everything() {
        for mode in [0o664, 0o646, 0o622] {
            let folder = Folder::new();
            folder.set_mode("50-all.policy", mode);
            folder.assert_unusable("50-all.policy", "may write");
        }
        for mode in [0o775, 0o757, 0o1777] {
            let folder = Folder::new();
            folder.set_mode("", mode);
            folder.assert_unusable("", "may write");
            folder.set_mode("", 0o755);
            assert!(folder.load().is_ok());
        }
    }

    #[test]
    fn what_belongs_to_somebody_else_denies_everything() {
        let folder = Folder::new();
        let somebody = Uid::from_raw(getuid().as_raw() + 1);
        let loaded = load(&[folder.place()], somebody);
        // What belongs to root counts for everybody.
        match getuid().is_root() {
            true => assert!(loaded.is_ok()),
            false => assert!(loaded.unwrap_err().to_string().contains("belongs to")),
        }
    }

    #[test]
    fn what_is_no_file_denies_everything() {
        let folder = Folder::new();
        symlink("50-all.policy", folder.path("60.policy")).unwrap();
        folder.assert_unusable("60.policy", "symbolic link");
        let folder = Folder::new();
        fs::create_dir(folder.path("60.policy")).unwrap();
        folder.assert_unusable("60.policy", "not a regular file");
        let file = Place::new(folder.0.path(), "policy.d/50-all.policy");
        assert!(load(&[file], getuid()).is_err());
        let link = Place::new(folder.0.path(), "link");
        symlink("policy.d", link.path()).unwrap();
        let error = load(&[link], getuid()).unwrap_err().to_string();
        assert!(error.contains("link\": it is a symbolic link"), "{error}");
    }

    #[test]
    fn a_link_is_followed_where_that_is_asked_for_and_its_target_is_judged() {
        let folder = Folder::new();
        symlink("policy.d/50-all.policy", folder.0.path().join("link")).unwrap();
        let read = |name| read(&Place::new(folder.0.path(), name), getuid());
        let text = read("link").unwrap();
        assert_eq!(text.as_deref(), Some("* * * * allow\n"));
        folder.set_mode("50-all.policy", 0o620);
        let error = read("link").unwrap_err().to_string();
        assert!(error.contains("50-all.policy\": its group"), "{error}");
        assert_eq!(read("missing"), Ok(None));
    }

    #[test]
    fn a_line_that_cannot_be_read_denies_everything() {
        let folder = Folder::new();
        folder.write("60.policy", "# one\n!include other\n");
        folder.assert_unusable("60.policy", "line 2: ");
        fs::write(
            folder.path("60.policy"),
            b"# \xC3\xA9\n\n* * \xFF * allow\n",
        )
        .unwrap();
        folder.assert_unusable("60.policy\": line 3: ", "UTF-8");
        folder.write("60.policy", &"# long\n".repeat(1 << 18));
        folder.assert_unusable("60.policy", "longer than");
    }
}
