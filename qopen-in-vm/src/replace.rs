//! The exchange of the original for its new content: at any moment the name has one of them, whole.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::attributes::Attributes;
use crate::keep::{Kept, backup_copy, name_it};
use crate::original::Original;
use crate::temporary::Temporary;

/// The original has the new content.
#[derive(Debug)]
pub(crate) struct Replaced {
    /// A copy of the old content, under the name of a backup; `None` if what has the name of the
    /// answer is the old content now.
    pub(crate) copy: Option<Temporary>,
    /// What of the attributes could not be given to the new file, in words.
    pub(crate) lost: Vec<String>,
    /// Its folder could not be synced: a loss of power may take the edit away again.
    pub(crate) unsynced: Option<io::Error>,
}

/// The original has not got the new content.
#[derive(Debug)]
pub(crate) enum NotReplaced {
    /// It is not what was sent any more; whatever it is stays.
    Changed,
    /// The same, but something else that had its name for a moment stays under another.
    SetAside(Aside),
    /// It is as it was.
    Failed(io::Error),
    /// It was rewritten in part, and could not be restored from this copy of its content, which has
    /// the name of a backup.
    Damaged(Temporary, io::Error),
}

/// What had the name of the original for a moment, and may be the newest that another program saved.
#[derive(Debug)]
pub(crate) struct Aside {
    /// Where it is now.
    pub(crate) path: PathBuf,
    /// The original has the new content.
    pub(crate) has_edit: bool,
    /// Why it has not the name of the original, if something failed.
    pub(crate) error: Option<Errno>,
}

impl From<io::Error> for NotReplaced {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Gives the original, a file of one name, the content of `answer`, a file in the same folder, and
/// all the attributes that it had. With `backup` the old content has the name of a backup from the first moment on.
pub(crate) fn replace(
    original: &Original,
    answer: &mut Temporary,
    backup: bool,
) -> Result<Replaced, NotReplaced> {
    let attributes = Attributes::of(original.file())?;
    let mut lost = attributes.unread().to_vec();
    lost.extend(attributes.give_to(answer.file()));
    answer.sync()?;
    if backup {
        // The exchange makes it the old content.
        name_it(answer, Kept::Backup, original)?;
    }
    let (folder, name) = (original.folder(), original.name());
    let staged = answer.give_name()?;
    if !original.is_untouched() {
        return Err(NotReplaced::Changed);
    }
    match folder.exchange(staged, name) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Err(NotReplaced::Changed),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            return rename_over(original, answer, backup, &attributes, lost);
        }
        Err(error) => {
            // It is no backup.
            answer.hide()?;
            return Err(NotReplaced::Failed(error.into()));
        }
    }
    // Somebody may have changed it since it was looked at, a moment ago.
    let came_out = folder.stat(staged);
    if !came_out.is_ok_and(|came_out| came_out.is_same_but_renamed(original.stat())) {
        let exchange = |one: &OsStr, other: &OsStr| folder.exchange(one, other);
        return Err(match give_back(original, answer, exchange) {
            Ok(()) => NotReplaced::Changed,
            Err(aside) => NotReplaced::SetAside(aside),
        });
    }
    if !backup {
        if let Err(error) = folder.remove(staged) {
            tracing::warn!(%error, "the old content is left");
        }
        answer.forget_name();
    }
    let unsynced = folder.sync().err();
    Ok(Replaced {
        copy: None,
        lost,
        unsynced,
    })
}

/// Gives what came out in exchange for the answer its name again, by another `exchange`. Whoever has
/// saved once more since then, over the answer, has the newest content, which keeps the name. The
/// answer itself may have no name then, but its content can still be read.
///
/// # Errors
/// Nothing but the answer is ever removed: what cannot have the name stays under another.
fn give_back(
    original: &Original,
    answer: &mut Temporary,
    mut exchange: impl FnMut(&OsStr, &OsStr) -> Result<(), Errno>,
) -> Result<(), Aside> {
    let (folder, name) = (original.folder(), original.name());
    let Some(staged) = answer.name().map(OsStr::to_owned) else {
        return Ok(());
    };
    let error = match exchange(&staged, name) {
        Ok(()) => match answer.has_name(&staged) {
            Ok(true) => return Ok(()),
            Ok(false) => exchange(&staged, name).err(),
            Err(unknown) => Errno::from_io_error(&unknown),
        },
        // Where the answer was deleted, the name is free.
        Err(error) => match folder.rename_new(&staged, name) {
            Ok(()) => {
                answer.forget_name();
                return Ok(());
            }
            Err(_) => Some(error),
        },
    };
    let renamed = name_it(answer, Kept::Meanwhile, original);
    tracing::info!(?renamed, ?error, "set aside");
    let path = folder.path_of(answer.name().unwrap_or(&staged));
    answer.forget_name();
    let synced = folder.sync();
    tracing::info!(?synced, "set aside");
    Err(Aside {
        path,
        has_edit: answer.has_name(name).is_ok_and(|has| has),
        error,
    })
}

/// For file systems without exchange: whoever changes the original between the look at it and the
/// rename loses that change.
fn rename_over(
    original: &Original,
    answer: &mut Temporary,
    backup: bool,
    attributes: &Attributes,
    lost: Vec<String>,
) -> Result<Replaced, NotReplaced> {
    let staged = answer.hide()?.to_owned();
    let copy = match backup {
        true => Some(backup_copy(original, attributes)?),
        false => None,
    };
    if !original.is_untouched() {
        return Err(NotReplaced::Changed);
    }
    original.folder().rename_over(&staged, original.name())?;
    answer.forget_name();
    let unsynced = original.folder().sync().err();
    Ok(Replaced {
        copy,
        lost,
        unsynced,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;
    use std::thread;

    use super::*;
    use crate::keep::keep;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn original_and_answer(folder: &Path) -> (Original, Temporary) {
        fs::write(folder.join("file"), "old").unwrap();
        let original = Original::open(&folder.join("file")).unwrap();
        let answer = Temporary::create(original.folder()).unwrap();
        answer.file().write_all(b"edited").unwrap();
        (original, answer)
    }

    #[test]
    fn the_old_content_has_the_name_of_the_backup_or_none() {
        for (backup, left) in [(true, &["file", "file~"][..]), (false, &["file"])] {
            let home = tempfile::tempdir().unwrap();
            let (original, mut answer) = original_and_answer(home.path());
            let replaced = replace(&original, &mut answer, backup).unwrap();
            assert!(replaced.copy.is_none());
            if backup {
                answer.leave();
                assert_eq!(fs::read(home.path().join("file~")).unwrap(), b"old");
            } else {
                drop(answer);
            }
            assert_eq!(names(home.path()), left);
            assert_eq!(fs::read(home.path().join("file")).unwrap(), b"edited");
        }
    }

    #[test]
    fn without_exchange_the_backup_is_a_copy() {
        for (backup, left) in [(true, &["file", "file~"][..]), (false, &["file"])] {
            let home = tempfile::tempdir().unwrap();
            let (original, mut answer) = original_and_answer(home.path());
            let attributes = Attributes::of(original.file()).unwrap();
            if backup {
                name_it(&mut answer, Kept::Backup, &original).unwrap();
            } else {
                answer.give_name().unwrap();
            }
            let replaced = rename_over(&original, &mut answer, backup, &attributes, vec![]);
            let copy = replaced.unwrap().copy;
            drop(answer);
            assert_eq!(copy.is_some(), backup);
            copy.and_then(Temporary::leave);
            assert_eq!(names(home.path()), left);
            assert_eq!(fs::read(home.path().join("file")).unwrap(), b"edited");
            if backup {
                assert_eq!(fs::read(home.path().join("file~")).unwrap(), b"old");
            }
        }
    }

    #[test]
    fn without_exchange_an_original_that_was_changed_stays_too() {
        let home = tempfile::tempdir().unwrap();
        let (original, mut answer) = original_and_answer(home.path());
        let attributes = Attributes::of(original.file()).unwrap();
        answer.give_name().unwrap();
        fs::write(home.path().join("file"), "theirs").unwrap();
        let result = rename_over(&original, &mut answer, true, &attributes, vec![]);
        assert!(matches!(result, Err(NotReplaced::Changed)));
        drop(answer);
        assert_eq!(names(home.path()), ["file"]);
        assert_eq!(fs::read(home.path().join("file")).unwrap(), b"theirs");
    }

    #[test]
    fn whoever_saves_or_deletes_once_more_before_the_name_is_given_back_loses_nothing() {
        for (newest, left) in [(Some("newest"), "newest"), (None, "theirs")] {
            let home = tempfile::tempdir().unwrap();
            let (original, mut answer) = original_and_answer(home.path());
            let (new, file) = (home.path().join("new"), home.path().join("file"));
            fs::write(&new, "theirs").unwrap();
            fs::rename(&new, &file).unwrap();
            let staged = answer.give_name().unwrap();
            original.folder().exchange(staged, original.name()).unwrap();
            fs::remove_file(&file).unwrap();
            if let Some(newest) = newest {
                fs::write(&file, newest).unwrap();
            }
            let exchange = |one: &OsStr, other: &OsStr| original.folder().exchange(one, other);
            let given_back = give_back(&original, &mut answer, exchange);
            let kept = keep(answer, Kept::Edited, &original).unwrap();
            let kept_content = fs::read(&kept).unwrap();
            fs::remove_file(kept).unwrap();
            assert_eq!(kept_content, b"edited");
            assert_eq!(fs::read_to_string(&file).unwrap(), left);
            if newest.is_some() {
                let aside = given_back.unwrap_err();
                assert!(!aside.has_edit);
                assert_eq!(aside.path.file_name().unwrap(), "file.saved-meanwhile");
                assert_eq!(fs::read(aside.path).unwrap(), b"theirs");
                assert_eq!(names(home.path()), ["file", "file.saved-meanwhile"]);
            } else {
                given_back.unwrap();
                assert_eq!(names(home.path()), ["file"]);
            }
        }
    }

    #[test]
    fn nothing_that_others_saved_is_lost_when_an_exchange_back_fails() {
        // Which of the two exchanges fails, and what has the name then.
        for (fails, saved_again, has_name, aside_has, has_edit) in [
            (1, false, "edited", "theirs", true),
            (1, true, "newest", "theirs", false),
            (2, true, "theirs", "newest", false),
        ] {
            let home = tempfile::tempdir().unwrap();
            let (original, mut answer) = original_and_answer(home.path());
            let (new, file) = (home.path().join("new"), home.path().join("file"));
            fs::write(&new, "theirs").unwrap();
            fs::rename(&new, &file).unwrap();
            let staged = answer.give_name().unwrap();
            original.folder().exchange(staged, original.name()).unwrap();
            if saved_again {
                fs::write(&new, "newest").unwrap();
                fs::rename(&new, &file).unwrap();
            }
            let mut count = 0;
            let exchange = |one: &OsStr, other: &OsStr| {
                count += 1;
                match count == fails {
                    true => Err(Errno::IO),
                    false => original.folder().exchange(one, other),
                }
            };
            let aside = give_back(&original, &mut answer, exchange).unwrap_err();
            assert_eq!((aside.has_edit, aside.error), (has_edit, Some(Errno::IO)));
            assert_eq!(fs::read_to_string(&file).unwrap(), has_name);
            assert_eq!(fs::read_to_string(&aside.path).unwrap(), aside_has);
            drop(answer);
            assert_eq!(names(home.path()), ["file", "file.saved-meanwhile"]);
        }
    }

    #[test]
    fn whoever_replaces_the_original_at_the_same_moment_loses_nothing() {
        for _ in 0..200 {
            let home = tempfile::tempdir().unwrap();
            let (original, mut answer) = original_and_answer(home.path());
            let (new, file) = (home.path().join("new"), home.path().join("file"));
            fs::write(&new, "theirs").unwrap();
            let other = {
                let file = file.clone();
                thread::spawn(move || fs::rename(new, file).unwrap())
            };
            let result = replace(&original, &mut answer, false);
            other.join().unwrap();
            drop(answer);
            // They came before, and it was noticed; or after.
            assert_eq!(fs::read(&file).unwrap(), b"theirs", "{result:?}");
            assert_eq!(names(home.path()), ["file"]);
        }
    }
}
