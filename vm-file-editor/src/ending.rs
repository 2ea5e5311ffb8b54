//! What is left to do when the answer was given, or cannot be given any more: what was not sent back
//! stays in this qube, and the users of both qubes are told.

use std::env;
use std::path::PathBuf;

use desktop::dialog::Notice;
use files::State;
use program::failure::Failure;
use program::system_log;

use crate::error::Error;
use crate::intake::Document;
use crate::kept::{self, Stays};
use crate::notice;
use crate::opener::{LastWords, Words};
use crate::others;
use crate::persistence;
use crate::processes::traces_of;
use crate::run::NAME;
use crate::scratch::Scratch;
use crate::settings::Settings;
use crate::telling::tell;

/// A call that ends.
#[derive(Debug)]
pub(crate) struct Ending<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) document: &'a Document,
    pub(crate) scratch: &'a Scratch,
    pub(crate) words: Option<&'a Words>,
    /// The user may work on the file, whether that can be seen or not.
    pub(crate) is_in_use: bool,
}

/// What becomes of the document itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The other qube has it, or it has not changed.
    Delivered,
    /// It stays here as it is now.
    Stays,
    /// Somebody may still work on it.
    MayBeOpen,
}

impl Ending<'_> {
    /// Tells what is to be told; what the user of this qube has to see, in a window.
    pub(crate) fn after_answer(&self, result: &Result<(), Error>) -> Option<(Notice, String)> {
        let stays = self.keep(self.fate(result));
        let failure = result.as_ref().err().map(Failure::from);
        let last_words = self.words.map(Words::end);
        // The opener has told the caller why it failed, and the answer tells that it did.
        let is_told = matches!(result, Err(Error::OpenerFailed(..)))
            && last_words.as_ref().is_some_and(LastWords::has_complained);
        let failure_to_tell = failure.as_ref().filter(|_| !is_told);
        if let Some(failure) = failure_to_tell {
            tell(failure.lines(NAME));
        }
        let has_told_failure = failure_to_tell.is_some();
        let failure = failure.map(|failure| failure.to_string());
        let stays = stays.map(|stays| self.tell(&stays));
        if let Some(last_words) = last_words {
            last_words.say_last(has_told_failure || stays.is_some());
        }
        match (failure, stays) {
            (None, None) => None,
            // Nothing is lost, and the user of this qube has done nothing wrong.
            (Some(_), None) if matches!(result, Err(Error::NobodyListens(..))) => None,
            (Some(failure), None) => Some((Notice::Error, failure)),
            (Some(failure), Some(stays)) => Some((
                Notice::Error,
                format!("{failure}\n\n{}", self.in_a_window(&stays)),
            )),
            // Where it will still be there tomorrow the user is not kept from going on.
            (None, Some(stays)) => {
                persistence::is_disposable().then(|| (Notice::Info, self.in_a_window(&stays)))
            }
        }
    }

    /// The window is closed: what was saved meanwhile stays too. The document was `before` when the
    /// window was opened.
    pub(crate) fn after_window(&self, result: &Result<(), Error>, before: Option<State>) {
        let was_saved = !self.document.view_only && self.document.state_now() != before;
        let fate = if was_saved {
            Fate::Stays
        } else {
            self.fate(result)
        };
        if let Some(stays) = self.keep(fate) {
            self.tell(&stays);
        }
    }

    /// A signal asks us to end at once, whatever the user does.
    pub(crate) fn after_signal(&self) {
        let fate = if self.document.view_only {
            Fate::Delivered
        } else if self.is_in_use || self.is_open() {
            Fate::MayBeOpen
        } else {
            Fate::Stays
        };
        let stays = self.keep(fate).map(|stays| self.tell(&stays));
        if let Some(words) = self.words {
            words.end().say_last(stays.is_some());
        }
        if let Some(stays) = stays {
            notice::leave(&format!(
                "The call of {} ended before you had finished.\n\n{stays}",
                self.settings.caller
            ));
        }
    }

    fn fate(&self, result: &Result<(), Error>) -> Fate {
        match result {
            Ok(()) => Fate::Delivered,
            Err(_) if self.document.view_only => Fate::Delivered,
            Err(failure) if failure.is_about_an_answer_that_was_given() => Fate::Delivered,
            Err(Error::NotSent(..)) => Fate::Stays,
            Err(_) => Fate::MayBeOpen,
        }
    }

    /// Has what was not sent back stay in this qube. What is not kept goes with the scratch folder.
    fn keep(&self, fate: Fate) -> Option<Stays> {
        let Document { name, path, .. } = self.document;
        if self.scratch.is_left() {
            return None;
        }
        let folder = self.scratch.path();
        let is_changed = fate != Fate::Delivered
            && self.document.looks_changed()
            && path.symlink_metadata().is_ok_and(|file| file.is_file());
        let document = is_changed.then(|| PathBuf::from(name));
        let others = others::find(folder, name);
        let unseen = others.as_ref().err().map(ToString::to_string);
        let files: Vec<PathBuf> = document
            .into_iter()
            .chain(others.unwrap_or_default())
            .collect();
        let copied = (!files.is_empty()).then(|| {
            let home = env::var_os("HOME").map(PathBuf::from);
            kept::copy(&files, folder, home.as_deref(), &self.settings.caller, name)
                .map_err(|error| error.to_string())
        });
        let is_safe = unseen.is_none() && !matches!(copied, Some(Err(_)));
        let is_left = fate == Fate::MayBeOpen || !is_safe || (!files.is_empty() && self.is_open());
        if is_left {
            self.scratch.leave();
            if fate == Fate::Delivered {
                kept::remove(&[PathBuf::from(name)], folder);
            }
        } else {
            kept::remove(&files, folder);
        }
        (is_left || !files.is_empty()).then(|| Stays {
            files,
            copied,
            unseen,
            left: is_left.then(|| folder.to_path_buf()),
        })
    }

    /// Some program has to do with the folder.
    fn is_open(&self) -> bool {
        let opener = self.settings.opener.as_deref().unwrap_or("".as_ref());
        // Where it cannot be seen it may be so.
        traces_of(self.scratch.path(), opener).map_or(true, |traces| !traces.is_empty())
    }

    /// Says where it is, in both qubes; the words.
    fn tell(&self, stays: &Stays) -> String {
        let text = stays.text(&self.document.name);
        tell(format_args!("{NAME}: {text}"));
        system_log::warn(NAME, format_args!("from {}: {text}", self.settings.caller));
        text
    }

    fn in_a_window(&self, stays: &str) -> String {
        let mut text = format!("From {}, {stays}.", self.settings.caller);
        if persistence::is_disposable() {
            text.push_str(
                "\n\nThis qube is a disposable, and will be deleted with all its files when you \
                 press OK. Before that, copy the files that you need to another qube with \
                 qvm-copy.",
            );
        }
        text
    }
}
