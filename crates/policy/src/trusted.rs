//! Settings on a host where several people have accounts: only what root or the account itself has
//! written counts. A policy that somebody else might have written denies everything.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use files::{NotOpened, OnLink, Stat, open_regular};
use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::Uid;

use crate::{Policy, Rule, is_policy};

/// A file that is longer, in bytes, is none of these.
const MAX_LEN: u64 = 1 << 20;

/// Why a file or the policy cannot be used. Of the policy it has the file and the line: it is for the
/// owner of the host and not for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable(String);

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
/// A folder or file belongs to neither root nor `account`, or group or others may write to it, or it
/// is no folder or file (a link is none), or it cannot be read, or a line is wrong.
pub fn load(folders: &[impl AsRef<Path>], account: Uid) -> Result<Policy, Unusable> {
    let mut policy = Policy::default();
    for folder in folders {
        policy
            .0
            .append(&mut load_folder(folder.as_ref(), account)?.0);
    }
    Ok(policy)
}

fn load_folder(path: &Path, account: Uid) -> Result<Policy, Unusable> {
    let unusable = |why: &dyn fmt::Display| Unusable(format!("{}: {why}", text::file(path)));
    // The folders above it are those of the system and of the account, as for sshd.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match openat(CWD, path, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(Policy::default()),
        Err(Errno::LOOP | Errno::NOTDIR) => {
            return Err(unusable(&"it is a symbolic link, or no folder"));
        }
        Err(error) => return Err(unusable(&error)),
    };
    let stat = Stat::fresh(&folder).map_err(|error| unusable(&error))?;
    judge(&stat, account).map_err(|why| unusable(&why))?;
    let mut policy = Policy::default();
    for name in names(&folder).map_err(|error| unusable(&error))? {
        let file = path.join(&name);
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
    let text = read(folder, name, OnLink::Refuse, account).map_err(|error| error.0)?;
    let text = text.ok_or("it was removed while it was read")?;
    of_plain_host(Policy::parse(&text)?)
}

/// Reads the text of a file that nobody but root and `account` can have written. `path` begins in
/// `folder` if it is relative. `None`: there is no such file.
///
/// # Errors
/// The file belongs to neither of them, or group or others may write to it, or it is no regular file,
/// or too long, or no text, or it cannot be read. The error does not name the file.
pub fn read(
    folder: impl AsFd,
    path: impl Arg + Copy,
    on_link: OnLink,
    account: Uid,
) -> Result<Option<String>, Unusable> {
    let unusable = |why: &dyn fmt::Display| Unusable(why.to_string());
    let (file, stat) = match open_regular(folder, path, OFlags::RDONLY, on_link) {
        Ok(opened) => opened,
        Err(NotOpened::System(Errno::NOENT)) => return Ok(None),
        Err(NotOpened::NotRegular) if on_link == OnLink::Refuse => {
            return Err(unusable(&"it is a symbolic link, or not a regular file"));
        }
        Err(error) => return Err(unusable(&error)),
    };
    judge(&stat, account).map_err(Unusable)?;
    let mut text = String::new();
    let mut file = file.take(MAX_LEN + 1);
    match file.read_to_string(&mut text) {
        Ok(_) if file.limit() == 0 => {
            Err(unusable(&format_args!("it is longer than {MAX_LEN} bytes")))
        }
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(unusable(&error)),
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

fn judge(stat: &Stat, account: Uid) -> Result<(), String> {
    let (owner, _) = stat.owner;
    if ![0, account.as_raw()].contains(&owner) {
        return Err(format!(
            "it belongs to uid {owner}, which is neither root nor uid {}",
            account.as_raw()
        ));
    }
    let others = Mode::WGRP | Mode::WOTH;
    match Mode::from_raw_mode(stat.state.mode).intersects(others) {
        true => Err("its group or others may write to it".to_owned()),
        false => Ok(()),
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
            folder.write("50-all.policy", "* * * * allow\n");
            folder
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        fn set_mode(&self, name: &str, mode: u32) {
            fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
        }

        fn load(&self) -> Result<Policy, Unusable> {
            load(&[self.0.path()], getuid())
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
        let missing = first.path("missing");
        let folders = [missing.as_path(), first.0.path(), second.0.path()];
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
        let loaded = load(&[folder.0.path()], somebody);
        // What belongs to root counts for everybody.
        match getuid().is_root() {
            true => assert!(loaded.is_ok()),
            false => assert!(loaded.unwrap_err().to_string().contains("belongs to")),
        }
        let mut stat = Stat::fresh(fs::File::open(folder.path("50-all.policy")).unwrap()).unwrap();
        stat.owner = (7, 7);
        assert!(
            judge(&stat, Uid::from_raw(8))
                .unwrap_err()
                .contains("uid 7")
        );
        assert_eq!(judge(&stat, Uid::from_raw(7)), Ok(()));
    }

    #[test]
    fn what_is_no_file_denies_everything() {
        let folder = Folder::new();
        symlink("50-all.policy", folder.path("60.policy")).unwrap();
        folder.assert_unusable("60.policy", "symbolic link");
        let folder = Folder::new();
        fs::create_dir(folder.path("60.policy")).unwrap();
        folder.assert_unusable("60.policy", "not a regular file");
        let file = folder.path("50-all.policy");
        assert!(load(&[file], getuid()).is_err());
    }

    #[test]
    fn a_link_is_followed_where_that_is_asked_for_and_its_target_is_judged() {
        let folder = Folder::new();
        let link = folder.path("link");
        symlink("50-all.policy", &link).unwrap();
        let read = |path: &Path, on_link| read(CWD, path, on_link, getuid());
        let text = read(&link, OnLink::Follow).unwrap();
        assert_eq!(text.as_deref(), Some("* * * * allow\n"));
        assert!(read(&link, OnLink::Refuse).is_err());
        folder.set_mode("50-all.policy", 0o620);
        let error = read(&link, OnLink::Follow).unwrap_err().to_string();
        assert!(error.contains("may write"), "{error}");
        let missing = read(&folder.path("missing"), OnLink::Follow);
        assert_eq!(missing, Ok(None));
    }

    #[test]
    fn a_line_that_cannot_be_read_denies_everything() {
        let folder = Folder::new();
        folder.write("60.policy", "# one\n!include other\n");
        folder.assert_unusable("60.policy", "line 2: ");
        fs::write(folder.path("60.policy"), b"* * \xFF * allow\n").unwrap();
        folder.assert_unusable("60.policy", "UTF-8");
        folder.write("60.policy", &"# long\n".repeat(1 << 18));
        folder.assert_unusable("60.policy", "longer than");
    }
}
