//! The files in `/run/qubes` that say what kind of qube this is.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use nix::unistd::Group;

use crate::keys::{Persistence, QubeType};

/// The group that may write to the folder.
const GROUP: &str = "qubes";

/// Makes the folders that programs of a qube take for granted. What is there stays as it is.
pub(crate) fn make_folders(run: &Path) -> io::Result<()> {
    let of_qubes = run.join("qubes");
    if make(&of_qubes)? {
        // Where there is no such group, it is root's.
        let group = Group::from_name(GROUP).ok().flatten();
        let mode = match group {
            Some(group) => {
                chown(&of_qubes, None, Some(group.gid.as_raw()))?;
                0o775
            }
            None => 0o755,
        };
        fs::set_permissions(&of_qubes, fs::Permissions::from_mode(mode))?;
    }
    for name in ["qubes-service", "xen-hotplug", "xen"] {
        let path = run.join(name);
        if make(&path)? {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

fn make(path: &Path) -> io::Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says of which type this qube is; whether that is new.
pub(crate) fn set_type(folder: &Path, kind: QubeType) -> io::Result<bool> {
    let all = QubeType::ALL.map(QubeType::mark);
    set(folder, &all, kind.mark())
}

/// Says what this qube keeps; whether that is new.
pub(crate) fn set_persistence(folder: &Path, kept: Persistence) -> io::Result<bool> {
    let all = Persistence::ALL.map(Persistence::mark);
    set(folder, &all, kept.mark())
}

/// Leaves `wanted` of all these marks. It is there before another goes.
fn set(folder: &Path, all: &[&str], wanted: &str) -> io::Result<bool> {
    let path = folder.join(wanted);
    let is_new = !path.exists();
    if is_new {
        files::replace(&path, b"", 0o644)?;
    }
    let mut has_changed = is_new;
    for other in all.iter().filter(|mark| **mark != wanted) {
        has_changed |= files::remove(&folder.join(other))?;
    }
    Ok(has_changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn there_is_one_mark_of_each_kind() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(set_type(folder, QubeType::Proxy).unwrap());
        assert!(set_persistence(folder, Persistence::PrivateOnly).unwrap());
        assert!(!set_type(folder, QubeType::Proxy).unwrap());
        assert!(!set_persistence(folder, Persistence::PrivateOnly).unwrap());
        assert_eq!(names(folder), ["persistent-rw-only", "this-is-proxyvm"]);
        fs::write(folder.join("this-is-mine"), "").unwrap();
        assert!(set_type(folder, QubeType::Net).unwrap());
        assert!(set_persistence(folder, Persistence::Full).unwrap());
        assert_eq!(
            names(folder),
            ["persistent-full", "this-is-mine", "this-is-netvm"]
        );
    }

    #[test]
    fn folders_are_made_and_those_that_are_there_stay() {
        let run = tempfile::tempdir().unwrap();
        fs::create_dir(run.path().join("xen")).unwrap();
        fs::set_permissions(run.path().join("xen"), fs::Permissions::from_mode(0o700)).unwrap();
        for _ in ["once", "twice"] {
            // An ordinary user cannot give a folder to a group that it is not in.
            if make_folders(run.path()).is_err() {
                return;
            }
        }
        let expected = ["qubes", "qubes-service", "xen", "xen-hotplug"];
        assert_eq!(names(run.path()), expected);
        let mode = fs::metadata(run.path().join("xen"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
