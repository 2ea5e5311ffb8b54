//! The desktop file of an application, with its drop-ins.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use desktop_entries::find::{Applications, Wanted};
use desktop_entries::{Entry, folders, programs};
use program::failure::Failure;
use rustix::io::Errno;

/// Where the owner of this qube changes single keys of desktop files: `ID.desktop.d/*`.
const DROP_INS: &str = "/etc/qubes/applications";

/// An application that may be started.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) id: Vec<u8>,
    pub(crate) file: PathBuf,
    pub(crate) entry: Entry,
}

impl Application {
    /// Finds the application with this ID, and puts its drop-ins over its keys.
    pub(crate) fn find(id: &OsStr) -> Result<Self, Failure> {
        Self::find_in(id, &folders::of_environment(), Path::new(DROP_INS))
    }

    fn find_in(id: &OsStr, folders: &[PathBuf], drop_ins: &Path) -> Result<Self, Failure> {
        let cannot = format!("cannot start \"{}\"", text::own(id.as_bytes()));
        let mut found = Applications::find(folders, Wanted::Id(id.as_bytes()));
        let resolved = found.resolve(id.as_bytes());
        let problems = found.take_problems();
        let Some(resolved) = resolved else {
            let mut why: Vec<String> = problems
                .iter()
                .map(|problem| format!("{}: {problem}", text::file(&problem.path)))
                .collect();
            if why.is_empty() {
                let folders: Vec<String> =
                    folders.iter().map(|folder| text::file(folder)).collect();
                why.push(format!(
                    "no desktop file of this name is in {}",
                    folders.join(", ")
                ));
            }
            return Err(Failure::new(cannot).because(why.join("; ")).advise(
                "if it was removed, refresh the list of applications in the settings of this qube",
            ));
        };
        let mut application = Self {
            id: id.as_bytes().to_vec(),
            file: resolved.file,
            entry: resolved.entry,
        };
        let hidden = |application: &Self| application.entry.is_true("Hidden");
        if hidden(&application) {
            return Err(application
                .cannot_start("its key Hidden says that it is deleted")
                .advise("to restore the application, remove this file or the key"));
        }
        application.put_on_drop_ins(drop_ins)?;
        application.judge()?;
        Ok(application)
    }

    /// Why the application cannot be started, with its file.
    pub(crate) fn cannot_start(&self, why: &str) -> Failure {
        let id = text::own(&self.id);
        let file = text::file(&self.file);
        Failure::new(format_args!("cannot start \"{id}\" of {file}")).because(why)
    }

    /// Drop-ins say how the owner wants an application to be started, so none is passed over.
    fn put_on_drop_ins(&mut self, drop_ins: &Path) -> Result<(), Failure> {
        let folder = drop_ins.join(OsStr::from_bytes(&[&self.id, &b".desktop.d"[..]].concat()));
        let unusable = |path: &Path, why: &dyn std::fmt::Display| {
            let path = text::file(path);
            self.cannot_start(&format!(
                "the drop-in {path} changes it and cannot be read: {why}"
            ))
            .advise("repair that file, or remove it")
        };
        let files = match sorted_files(&folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // No file has such a name: it is too long, or goes through something that is no folder.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(()),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NAMETOOLONG) => return Ok(()),
            Err(error) => return Err(unusable(&folder, &error)),
        };
        let read = files
            .iter()
            .map(|file| Entry::read(file).map_err(|why| unusable(file, &why)));
        let entries = read.collect::<Result<Vec<_>, _>>()?;
        for drop_in in entries {
            self.entry.replace_by(&drop_in);
        }
        Ok(())
    }

    fn judge(&self) -> Result<(), Failure> {
        if !self.entry.is_application() {
            let why = match self.entry.raw(b"Type") {
                Some(kind) => format!(
                    "its key Type is \"{}\", not \"Application\"",
                    text::own(kind)
                ),
                None => "it has no key Type".to_owned(),
            };
            return Err(self.cannot_start(&why));
        }
        match programs::missing(&self.entry) {
            Some(program) => {
                let program = text::own(&program);
                Err(self
                    .cannot_start(&format!(
                        "the program \"{program}\" of its key TryExec does not exist"
                    ))
                    .advise("install it in this qube or its template"))
            }
            None => Ok(()),
        }
    }
}

fn sorted_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| !file.is_dir());
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new(files: &[(&str, &str)]) -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            for (path, content) in files {
                let path = place.0.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            place
        }

        fn find(&self, id: &str) -> Result<Application, String> {
            let folders = ["user", "system"].map(|name| self.0.path().join(name));
            Application::find_in(id.as_ref(), &folders, &self.0.path().join("drop-ins"))
                .map_err(|failure| failure.to_string())
        }

        #[track_caller]
        fn assert_refused(&self, id: &str, why: &str) {
            let failure = self.find(id).unwrap_err();
            assert!(failure.contains(why), "{failure}");
        }
    }

    const APP: &str = "[Desktop Entry]\nType=Application\nExec=a\n";

    #[test]
    fn drop_ins_are_put_on_in_the_order_of_their_names() {
        let place = Place::new(&[
            ("system/a.desktop", APP),
            (
                "drop-ins/a.desktop.d/20-b.conf",
                "[Desktop Entry]\nExec=c --wait\n",
            ),
            (
                "drop-ins/a.desktop.d/10-a.conf",
                "[Desktop Entry]\nExec=b\nIcon=i\n",
            ),
            ("drop-ins/a.desktop.d/folder/x", "rubbish"),
        ]);
        let found = place.find("a").unwrap();
        assert_eq!(found.entry.raw(b"Exec"), Some(&b"c --wait"[..]));
        assert_eq!(found.entry.raw(b"Icon"), Some(&b"i"[..]));
        // The file stays the one that was found: %k and GIO_LAUNCHED_DESKTOP_FILE name it.
        assert_eq!(found.file, place.0.path().join("system/a.desktop"));
    }

    #[test]
    fn a_drop_in_that_cannot_be_read_is_not_passed_over() {
        let place = Place::new(&[
            ("system/a.desktop", APP),
            ("drop-ins/a.desktop.d/b", "rubbish"),
        ]);
        place.assert_refused(
            "a",
            "a.desktop.d/b\" changes it and cannot be read: it has no line",
        );
    }

    #[test]
    fn a_users_hidden_hides_what_the_system_has() {
        let place = Place::new(&[
            ("user/a.desktop", "[Desktop Entry]\nHidden=true\n"),
            ("system/a.desktop", APP),
        ]);
        place.assert_refused("a", "user/a.desktop\": its key Hidden");
    }

    #[test]
    fn a_failure_names_the_file_and_the_reason() {
        let place = Place::new(&[
            ("user/broken.desktop", "rubbish"),
            ("user/link.desktop", "[Desktop Entry]\nType=Link\n"),
            ("user/none.desktop", "[Desktop Entry]\nExec=a\n"),
            (
                "user/try.desktop",
                "[Desktop Entry]\nType=Application\nTryExec=/no/such\nExec=a\n",
            ),
        ]);
        place.assert_refused("gone", "no desktop file of this name is in ");
        place.assert_refused("broken", "user/broken.desktop\": it has no line");
        place.assert_refused("link", "its key Type is \"Link\"");
        place.assert_refused("none", "it has no key Type");
        place.assert_refused("try", "the program \"/no/such\" of its key TryExec");
        for odd in [
            "../user/try",
            "/etc/passwd",
            "a\nb",
            "\u{1b}[2J",
            &"x".repeat(5000),
        ] {
            let failure = place.find(odd).unwrap_err();
            assert!(
                !failure.contains('\u{1b}') && failure.lines().count() == 2,
                "{failure}"
            );
        }
    }
}
