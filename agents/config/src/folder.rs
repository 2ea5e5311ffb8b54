//! The services as files: `/run/qubes-service/NAME` exists while NAME is on.
//!
//! At the start of a qube all of them are made in a fresh folder that is put in place in one step, so
//! no program sees half of them. Programs of the user put files of their own there, at any moment. So
//! once there is something, only the files of services that differ are touched. To tell them apart,
//! [`RECORD`] names the services that were decided here.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::keys::ServiceName;
use crate::services::Services;

/// Names, one a line, the services that QubesDB or the type of the qube decided about. No service
/// has such a name.
const RECORD: &str = ".decided";

/// A service that was switched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Switched {
    name: ServiceName,
    is_on: bool,
}

impl std::fmt::Display for Switched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = if self.is_on { "on" } else { "off" };
        write!(f, "service \"{}\" is {state}", self.name)
    }
}

/// The folder of the services.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes all services what they are to be. Nothing is touched if they are.
    pub(crate) fn apply(&self, services: &Services) -> io::Result<Vec<Switched>> {
        let decided = services.decided();
        let on = |name: &&ServiceName| services.is_on(name);
        let wanted: BTreeSet<ServiceName> = decided.iter().filter(on).cloned().collect();
        let there = self.names()?;
        let before: BTreeSet<ServiceName> = there
            .iter()
            .flatten()
            .filter_map(|name| ServiceName::parse(name.as_bytes()).ok())
            .collect();
        // What was decided about earlier and is not any more is off; what never was is the user's.
        let earlier = self.record()?;
        let off: BTreeSet<ServiceName> = decided
            .iter()
            .chain(&earlier)
            .filter(|name| before.contains(*name) && !wanted.contains(*name))
            .cloned()
            .collect();
        let switched = |names: Vec<ServiceName>, is_on| {
            names.into_iter().map(move |name| Switched { name, is_on })
        };
        let newly_on: Vec<_> = wanted.difference(&before).cloned().collect();
        let is_empty = there.is_none_or(|there| there.is_empty());
        if !(is_empty && self.put_in_place(&wanted, &decided)?) {
            self.change(&newly_on, &off, &earlier, &decided)?;
        }
        let mut all: Vec<Switched> = switched(newly_on, true).collect();
        all.extend(switched(off.into_iter().collect(), false));
        Ok(all)
    }

    /// Makes one service what it is to be, and touches no other.
    pub(crate) fn set(&self, name: &ServiceName, is_on: bool) -> io::Result<Option<Switched>> {
        let path = self.0.join(name.as_str());
        let has_changed = match is_on {
            true => {
                self.make()?;
                create(&path)?
            }
            false => files::remove(&path)?,
        };
        let mut decided = self.record()?;
        if has_changed && decided.insert(name.clone()) {
            self.make()?;
            self.write_record(&self.0, &decided)?;
        }
        let name = name.clone();
        Ok(has_changed.then_some(Switched { name, is_on }))
    }

    /// The services that were decided about, as far as it is known.
    pub(crate) fn record(&self) -> io::Result<BTreeSet<ServiceName>> {
        let record = files::read_small(&self.0.join(RECORD))?;
        let lines = record.split(|byte| *byte == b'\n');
        Ok(lines
            .filter_map(|line| ServiceName::parse(line).ok())
            .collect())
    }

    fn write_record(&self, folder: &Path, decided: &BTreeSet<ServiceName>) -> io::Result<()> {
        let lines: String = decided.iter().map(|name| format!("{name}\n")).collect();
        files::replace(&folder.join(RECORD), lines.as_bytes(), 0o644)
    }

    /// All that is in the folder; `None`: there is no folder.
    fn names(&self) -> io::Result<Option<Vec<OsString>>> {
        match fs::read_dir(&self.0) {
            Ok(entries) => {
                let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
                names.collect::<io::Result<_>>().map(Some)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn make(&self) -> io::Result<()> {
        make_folder(&self.0)
    }

    /// Puts a folder with all of it in the place of an empty one, or of none, in one step. `false`: the
    /// folder is not empty any more, and nothing has changed.
    fn put_in_place(
        &self,
        wanted: &BTreeSet<ServiceName>,
        decided: &BTreeSet<ServiceName>,
    ) -> io::Result<bool> {
        let name = self.0.file_name().unwrap_or_default().to_string_lossy();
        let fresh = self.0.with_file_name(format!(".{name}.fresh"));
        // One that was not finished.
        remove_all(&fresh)?;
        make_folder(&fresh)?;
        for name in wanted {
            create(&fresh.join(name.as_str()))?;
        }
        self.write_record(&fresh, decided)?;
        // Of all folders, rename(2) replaces an empty one only.
        match fs::rename(&fresh, &self.0) {
            Ok(()) => Ok(true),
            Err(error) => {
                remove_all(&fresh)?;
                match Errno::from_io_error(&error) {
                    // EBUSY: it is a mount.
                    Some(Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => Ok(false),
                    _ => Err(error),
                }
            }
        }
    }

    /// Changes what differs, and nothing else: others put files of their own there.
    fn change(
        &self,
        on: &[ServiceName],
        off: &BTreeSet<ServiceName>,
        earlier: &BTreeSet<ServiceName>,
        decided: &BTreeSet<ServiceName>,
    ) -> io::Result<()> {
        // Whoever comes after a process that was killed here must know of everything that it may have
        // changed.
        let all: BTreeSet<ServiceName> = earlier.union(decided).cloned().collect();
        if all != *earlier {
            self.write_record(&self.0, &all)?;
        }
        for name in on {
            create(&self.0.join(name.as_str()))?;
        }
        for name in off {
            files::remove(&self.0.join(name.as_str()))?;
        }
        if all != *decided {
            self.write_record(&self.0, decided)?;
        }
        Ok(())
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => {
            other?;
            // Whatever the umask is.
            fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        }
    }
}

/// Creates an empty file; whether it was not there.
fn create(path: &Path) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o644).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::keys::QubeType;

    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn folder(&self) -> Folder {
            Folder::at(&self.0.path().join("services"))
        }

        fn names(&self) -> Vec<String> {
            let names = self.folder().names().unwrap().unwrap().into_iter();
            let mut names: Vec<_> = names
                .map(|name| name.into_string().unwrap())
                .filter(|name| name != RECORD)
                .collect();
            names.sort();
            names
        }
    }

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text.as_bytes()).unwrap()
    }

    fn lines(switched: &[Switched]) -> Vec<String> {
        switched.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_are_made_at_once_and_the_second_time_changes_nothing() {
        let place = Place::new();
        let mut services = Services::of(QubeType::Disposable);
        services.enter(b"cups", b"1").unwrap();
        services.enter(b"meminfo-writer", b"0").unwrap();
        let folder = place.folder();
        let said = lines(&folder.apply(&services).unwrap());
        assert_eq!(
            said,
            [
                "service \"cups\" is on",
                "service \"software-rendering\" is on"
            ]
        );
        assert_eq!(place.names(), ["cups", "software-rendering"]);
        let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
        let before = inode(folder.path());
        assert_eq!(folder.apply(&services).unwrap(), []);
        assert_eq!(inode(folder.path()), before);
        let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        // Nothing is left beside it.
        assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_others_put_there_is_carried_over_and_what_is_not_decided_any_more_is_not() {
        let place = Place::new();
        let folder = place.folder();
        let mut services = Services::of(QubeType::Disposable);
        let cups = services.enter(b"cups", b"1").unwrap();
        folder.apply(&services).unwrap();
        fs::write(folder.path().join("of-user"), "text").unwrap();
        fs::write(folder.path().join("also"), "").unwrap();
        // What can be no service.
        fs::write(folder.path().join(".hidden file"), "text").unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("deep/file"), "").unwrap();
        services.forget(&cups);
        services.enter(b"also", b"0").unwrap();
        let said = lines(&folder.apply(&services).unwrap());
        assert_eq!(said, ["service \"also\" is off", "service \"cups\" is off"]);
        let expected = [
            ".hidden file",
            "deep",
            "meminfo-writer",
            "of-user",
            "software-rendering",
        ];
        assert_eq!(place.names(), expected);
        assert_eq!(fs::read(folder.path().join("of-user")).unwrap(), b"text");
        assert!(folder.path().join("deep/file").exists());
        assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_comes_in_between_is_not_lost() {
        let place = Place::new();
        let folder = place.folder();
        // Left by one that was killed.
        fs::create_dir(place.0.path().join(".services.fresh")).unwrap();
        fs::create_dir(folder.path()).unwrap();
        let services = Services::of(QubeType::Disposable);
        let all = services.decided();
        // The folder was empty when it was looked at.
        fs::write(folder.path().join("of-user"), "text").unwrap();
        assert!(!folder.put_in_place(&all, &all).unwrap());
        assert_eq!(place.names(), ["of-user"]);
        // What is there is the same file afterwards, so whoever has it open writes to it.
        let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
        let before = [inode(folder.path()), inode(&folder.path().join("of-user"))];
        assert_eq!(folder.apply(&services).unwrap().len(), 2);
        assert_eq!(
            [inode(folder.path()), inode(&folder.path().join("of-user"))],
            before
        );
        assert_eq!(
            place.names(),
            ["meminfo-writer", "of-user", "software-rendering"]
        );
        assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1);
        // An empty one is replaced in one step.
        fs::remove_dir_all(folder.path()).unwrap();
        fs::create_dir(folder.path()).unwrap();
        let before = inode(folder.path());
        folder.apply(&services).unwrap();
        assert_ne!(inode(folder.path()), before);
    }

    #[test]
    fn one_service_is_switched_without_touching_the_others() {
        let place = Place::new();
        let folder = place.folder();
        folder.apply(&Services::of(QubeType::Disposable)).unwrap();
        fs::remove_file(folder.path().join("software-rendering")).unwrap();
        fs::write(folder.path().join("of-user"), "").unwrap();
        let on = folder.set(&name("getty@tty"), true).unwrap().unwrap();
        assert_eq!(on.to_string(), "service \"getty@tty\" is on");
        assert_eq!(folder.set(&name("getty@tty"), true).unwrap(), None);
        assert_eq!(place.names(), ["getty@tty", "meminfo-writer", "of-user"]);
        assert!(folder.record().unwrap().contains(&name("getty@tty")));
        let off = folder.set(&name("getty@tty"), false).unwrap().unwrap();
        assert_eq!(off.to_string(), "service \"getty@tty\" is off");
        assert_eq!(folder.set(&name("getty@tty"), false).unwrap(), None);
        // The whole folder may have been removed.
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(folder.set(&name("x"), true).unwrap().is_some());
        assert_eq!(place.names(), ["x"]);
    }

    #[test]
    fn a_record_that_somebody_spoiled_names_no_file_elsewhere() {
        let place = Place::new();
        let folder = place.folder();
        folder.apply(&Services::of(QubeType::Disposable)).unwrap();
        fs::write(folder.path().join(RECORD), "../outside\n\0\nmeminfo-writer").unwrap();
        assert_eq!(
            folder.record().unwrap(),
            BTreeSet::from([name("meminfo-writer")])
        );
    }
}
