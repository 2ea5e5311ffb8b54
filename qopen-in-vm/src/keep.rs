//! Files that are kept beside the original, under names that say what they are.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::attributes::Attributes;
use crate::folder::Folder;
use crate::original::Original;
use crate::temporary::Temporary;

/// Longest name on Linux file systems, in bytes.
const MAX_NAME_LEN: usize = 255;

/// How many names are tried before something is wrong with the folder.
const MAX_NUMBER: u32 = 10_000;

/// Where things are kept when the folder of the original takes none.
pub(crate) const ELSEWHERE: &str = "/tmp";

/// What is kept, which its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// What the original contained: `FILE~`.
    Backup,
    /// All of an edit that did not replace the original: `FILE.edited-in-QUBE`, where QUBE is
    /// `disposable` unless another qube was named.
    Edited,
    /// What another program saved while the edit was put in its place: `FILE.saved-meanwhile`.
    Meanwhile,
    /// What came of an answer that may not be all: `FILE.incomplete-from-QUBE`.
    Incomplete,
}

impl Kept {
    fn suffix(self, qube: &str, number: u32) -> String {
        let (suffix, before_number) = match self {
            Self::Backup => ("~".to_owned(), ""),
            Self::Edited => (format!(".edited-in-{qube}"), "-"),
            Self::Meanwhile => (".saved-meanwhile".to_owned(), "-"),
            Self::Incomplete => (format!(".incomplete-from-{qube}"), "-"),
        };
        match number {
            1 => suffix,
            _ => format!("{suffix}{before_number}{number}"),
        }
    }

    /// `name` with its suffix. What would be too long is cut at the end of `name`.
    fn name(self, name: &OsStr, qube: &str, number: u32) -> OsString {
        let suffix = self.suffix(qube, number);
        let room = MAX_NAME_LEN.saturating_sub(suffix.len());
        let mut bytes = first_bytes(name.as_bytes(), room).to_vec();
        bytes.extend_from_slice(suffix.as_bytes());
        OsString::from_vec(bytes)
    }
}

/// The first bytes of `name`, at most `max`, without the beginning of a character that was cut.
fn first_bytes(name: &[u8], max: usize) -> &[u8] {
    let is_continuation = |at: usize| name[at] & 0b1100_0000 == 0b1000_0000;
    if name.len() <= max {
        return name;
    }
    let end = (max.saturating_sub(3)..=max)
        .rev()
        .find(|at| !is_continuation(*at));
    &name[..end.unwrap_or(max)]
}

/// Gives `temporary` the first free name, for as long as it is not dropped.
pub(crate) fn name_it(
    temporary: &mut Temporary,
    kept: Kept,
    original: &Original,
) -> io::Result<()> {
    for number in 1..MAX_NUMBER {
        match temporary.rename(kept.name(original.name(), original.qube(), number)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result,
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Keeps `temporary` for good, in its folder, else in [`ELSEWHERE`]; where.
///
/// In its folder, an edit has the attributes of the original, so that the same people can read it and
/// it can take the place of the original.
pub(crate) fn keep(temporary: Temporary, kept: Kept, original: &Original) -> io::Result<PathBuf> {
    let mut temporary = temporary;
    if kept != Kept::Backup && Rc::ptr_eq(temporary.folder(), original.folder()) {
        let attributes = Attributes::of(original.file());
        let lost = attributes.map(|attributes| attributes.give_to(temporary.file()));
        // What another qube wrote, and nobody has looked at, runs with the rights of nobody.
        let mode = original.stat().state.mode & 0o777;
        let without_set_id = temporary
            .file()
            .set_permissions(Permissions::from_mode(mode));
        tracing::info!(?lost, ?without_set_id, "the attributes of the original");
    }
    let synced = temporary.sync();
    if let Err(error) = synced.and_then(|()| name_it(&mut temporary, kept, original)) {
        tracing::info!(%error, "the folder does not take it");
        temporary = match moved_elsewhere(&temporary) {
            Ok(moved) => moved,
            // A name that says nothing is better than none.
            Err(error) => {
                let folder = Rc::clone(temporary.folder());
                return temporary
                    .leave()
                    .map(|name| folder.path_of(&name))
                    .ok_or(error);
            }
        };
        // It need not be a disk.
        let synced = temporary.sync();
        tracing::info!(?synced, "taken elsewhere");
        name_it(&mut temporary, kept, original)?;
    }
    let folder = Rc::clone(temporary.folder());
    let name = temporary.leave().unwrap_or_default();
    // It is there now, whatever a loss of power would make of it.
    let synced = folder.sync();
    tracing::info!(?synced, "kept");
    Ok(folder.path_of(&name))
}

/// A copy of the original under the name of a backup, durable: beside it, with all its attributes,
/// else, readable only by the user, in the first of [`lasting_folders`] that takes it.
pub(crate) fn backup_copy(original: &Original, attributes: &Attributes) -> io::Result<Temporary> {
    backup_copy_in(original.folder(), original, Some(attributes)).or_else(|why_not_beside| {
        tracing::info!(%why_not_beside, "its folder does not take the backup");
        let in_folder = |path: PathBuf| {
            let folder = Rc::new(Folder::open(&path)?);
            backup_copy_in(&folder, original, None)
        };
        let copies = lasting_folders().into_iter().map(in_folder);
        copies
            .into_iter()
            .find_map(io::Result::ok)
            .ok_or(why_not_beside)
    })
}

fn backup_copy_in(
    folder: &Rc<Folder>,
    original: &Original,
    attributes: Option<&Attributes>,
) -> io::Result<Temporary> {
    let mut copy = Temporary::create(folder)?;
    copy_content(original.file(), copy.file())?;
    let lost = attributes.map(|attributes| attributes.give_to(copy.file()));
    tracing::info!(?lost, "a backup");
    copy.sync()?;
    name_it(&mut copy, Kept::Backup, original)?;
    folder.sync()?;
    Ok(copy)
}

/// Folders whose content outlasts a loss of power, most likely first: in a qube only the home folder
/// does. The first is made if it is not there.
fn lasting_folders() -> Vec<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("qfile"));
    if let Some(state) = &state {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(state);
        tracing::info!(?made, "a folder for backups");
    }
    let others = ["/var/tmp", ELSEWHERE].map(PathBuf::from);
    state.into_iter().chain(others).collect()
}

/// A copy in [`ELSEWHERE`].
pub(crate) fn moved_elsewhere(temporary: &Temporary) -> io::Result<Temporary> {
    let copy = elsewhere()?;
    copy_content(temporary.file(), copy.file())?;
    Ok(copy)
}

/// An empty file in [`ELSEWHERE`].
pub(crate) fn elsewhere() -> io::Result<Temporary> {
    Temporary::create(&Rc::new(Folder::open(Path::new(ELSEWHERE))?))
}

/// Copies all of `from` to the beginning of `to`; how many bytes.
pub(crate) fn copy_content(mut from: &std::fs::File, mut to: &std::fs::File) -> io::Result<u64> {
    use std::io::Seek as _;
    from.rewind()?;
    to.rewind()?;
    io::copy(&mut from, &mut to)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::MetadataExt as _;

    use qfile_proto::QubeName;

    use super::*;

    #[test]
    fn kept_files_are_numbered_when_the_name_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.odt");
        fs::write(&path, "original").unwrap();
        let original = Original::open(&path).unwrap();
        let folder = Rc::clone(original.folder());
        let expected = [
            (Kept::Backup, ["a.odt~", "a.odt~2", "a.odt~3"]),
            (
                Kept::Edited,
                [
                    "a.odt.edited-in-disposable",
                    "a.odt.edited-in-disposable-2",
                    "a.odt.edited-in-disposable-3",
                ],
            ),
        ];
        for (kept, names) in expected {
            for name in names {
                let temporary = Temporary::create(&folder).unwrap();
                temporary.file().write_all(name.as_bytes()).unwrap();
                let path = keep(temporary, kept, &original).unwrap();
                assert_eq!(path, home.path().join(name));
            }
            for name in names {
                assert_eq!(fs::read(home.path().join(name)).unwrap(), name.as_bytes());
            }
        }
    }

    #[test]
    fn an_edit_is_named_after_its_qube_and_has_the_mode_of_the_original() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.odt");
        fs::write(&path, "original").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let qube = QubeName::parse(b"work").unwrap();
        let original = Original::open(&path).unwrap().opened_in(&qube);
        for (kept, name) in [
            (Kept::Edited, "a.odt.edited-in-work"),
            (Kept::Incomplete, "a.odt.incomplete-from-work"),
        ] {
            let temporary = Temporary::create(original.folder()).unwrap();
            let path = keep(temporary, kept, &original).unwrap();
            assert_eq!(path, home.path().join(name));
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o640);
        }
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        for name in ["x".repeat(255), "é".repeat(127), "报".repeat(85)] {
            for number in [1, 2, 9999] {
                for kept in [Kept::Backup, Kept::Edited, Kept::Incomplete] {
                    let kept_name = kept.name(OsStr::new(&name), "work", number);
                    let kept_name = kept_name.into_string().unwrap();
                    let stem = kept_name
                        .strip_suffix(&kept.suffix("work", number))
                        .unwrap();
                    assert!(name.starts_with(stem) && kept_name.len() <= MAX_NAME_LEN);
                    assert!(kept_name.len() > MAX_NAME_LEN - 3, "{}", kept_name.len());
                }
            }
        }
    }
}
