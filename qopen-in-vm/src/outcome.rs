//! What became of the original and of the edit, and how it is told.

use std::io;
use std::path::{Path, PathBuf};

use program::failure::Failure;
use qfile_proto::edit_answer::Kind;

use crate::answer::{Answer, Form, Limit};
use crate::answer_error::AnswerError;
use crate::choice::Choice;
use crate::conversation::Conversation;
use crate::keep::{Kept, keep};
use crate::original::Original;
use crate::place::{is_refusal, place};
use crate::replace::{Aside, NotReplaced, Replaced};
use crate::temporary::Temporary;

/// An original larger than this is backed up when less than half of it comes back.
const SHRUNKEN_ABOVE: u64 = 512;

/// How the call ended, as far as its caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With status 0: what came is all.
    Well,
    /// Otherwise, for this reason.
    Badly(Failure),
    /// A local program of qrexec never learns it.
    Unknown,
}

/// Why the content of the original before is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupReason {
    /// The other qube does not frame its answers, so they may be cut, and may begin with text that
    /// a start-up file printed.
    RawAnswer,
    /// The original contains the bytes that begin a framed answer, so none was asked for.
    MarkInside,
    /// Less than half of it came back.
    Shrunken,
    /// The user wants it.
    Asked,
}

/// What became of the original and of the edit.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing came back, and nothing was done.
    Unchanged,
    /// The original has the new content.
    Replaced {
        /// Where the old content is, if there was a reason to keep it.
        backup: Option<(PathBuf, BackupReason)>,
        /// What of its attributes it has lost, in words.
        lost: Vec<String>,
        /// Why the edit may not outlast a loss of power, if its folder could not be synced.
        unsynced: Option<io::Error>,
        /// The edit is whole, but the call that brought it did not end well, in words.
        ended_badly: Option<String>,
    },
    /// The original is as it was, or as somebody else has made it; what came is here.
    Kept {
        /// Where.
        at: PathBuf,
        /// Whether that is all of the edit.
        kept: Kept,
        /// Why.
        why: Failure,
    },
    /// Another program saved the original while the edit was put in its place.
    SetAside {
        /// What had its name for a moment.
        at: PathBuf,
        /// The edit, unless it is lost.
        edited: Option<PathBuf>,
        /// Why that has not its name, in words, if something failed.
        why: Option<String>,
    },
    /// The original was damaged while it was rewritten.
    Damaged {
        /// What the original contained.
        backup: PathBuf,
        /// What was to be its new content.
        edited: Option<PathBuf>,
        /// Why, in words.
        why: String,
    },
    /// The original is as it was, and there is no edit, for this reason.
    Failed(Failure),
}

impl Outcome {
    const COMPARE: &str =
        "compare the two files; to use the edit, give it the name of the original";

    /// What there is to say of an original that has the edit, or of which there was none: one line
    /// each. `path` is the original as the user knows it, `limit` what was asked for.
    ///
    /// # Errors
    /// Why the original has not got the edit, and where that is.
    pub fn told(&self, path: &Path, limit: Limit) -> Result<Vec<String>, Failure> {
        let file = text::file(path);
        match self {
            Self::Unchanged => Ok(Vec::new()),
            Self::Replaced {
                backup,
                lost,
                unsynced,
                ended_badly,
            } => {
                let mut messages: Vec<String> = lost
                    .iter()
                    .map(|what| {
                        format!("{file} contains the edit, but this could not be restored: {what}")
                    })
                    .collect();
                if let Some(error) = unsynced {
                    messages.push(format!(
                        "{file} contains the edit, but its folder cannot be written to disk: \
                         {error}"
                    ));
                }
                if let Some((backup, reason)) = backup {
                    let backup = text::file(backup);
                    let reason = match reason {
                        BackupReason::Asked => "you asked for it with --backup",
                        BackupReason::RawAnswer => {
                            "the program in the other qube does not say whether an edit is \
                             complete"
                        }
                        BackupReason::MarkInside => {
                            "the file contains the bytes that begin an answer, so the other qube \
                             was not asked to say whether an edit is complete"
                        }
                        BackupReason::Shrunken => {
                            "the edit is less than half as long as the file was"
                        }
                    };
                    messages.push(format!(
                        "{file} contains the edit; its previous content is saved as {backup}, \
                         because {reason}"
                    ));
                }
                if let Some(what) = ended_badly {
                    messages.push(format!(
                        "{file} contains the complete edit, but the call ended with an error: \
                         {what}"
                    ));
                }
                Ok(messages)
            }
            Self::Kept { at, kept, why } => {
                let came = match kept {
                    Kept::Incomplete => "the edit that came back, which may be incomplete, is",
                    Kept::Edited | Kept::Backup | Kept::Meanwhile => "the edited file is",
                };
                let at = text::file(at);
                let reason = why.reason();
                let what = format!("{file} was not replaced: {reason}; {came} {at}");
                Err(why.clone().reworded(what))
            }
            Self::SetAside { at, edited, why } => {
                let why = why
                    .as_ref()
                    .map_or(String::new(), |why| format!(" ({why})"));
                let (at, edited) = (
                    text::file(at),
                    edited.as_deref().map_or("lost".to_owned(), text::file),
                );
                let what = format!(
                    "{file} may have been saved by another program while the edit was put in its \
                         place{why}; another version of it is {at}, the edited file is {edited}"
                );
                Err(Failure::new(what).advise(Self::COMPARE))
            }
            Self::Damaged {
                backup,
                edited,
                why,
            } => {
                let backup = text::file(backup);
                let edited = edited.as_deref().map_or("lost".to_owned(), text::file);
                let what = format!(
                    "{file} could not be rewritten and is damaged: {why}; its previous \
                         content is {backup}, the edited file is {edited}"
                );
                let advice = "make room, and copy the version that you want over it";
                Err(Failure::new(what).advise(advice))
            }
            Self::Failed(why) => {
                // Nobody expected that a file that is only viewed is replaced.
                let what = match limit.view_only {
                    true => format!("{file} could not be viewed: {}", why.reason()),
                    false => format!("{file} was not replaced: {}", why.reason()),
                };
                Err(why.clone().reworded(what))
            }
        }
    }
}

/// Why there is no edit in an answer of this kind, or none that can be trusted to be all.
fn why_of_kind(kind: Kind) -> Option<Failure> {
    let (what, advice) = match kind {
        Kind::Unchanged | Kind::Changed => return None,
        Kind::Gone => (
            "it was deleted or renamed in the other qube",
            "if it was saved there under another name, copy that file with qvm-copy in the \
             other qube",
        ),
        Kind::OpenerFailed => (
            "the program that opens it in the other qube failed",
            "see the messages above; check that an application for its type is installed \
             there",
        ),
        Kind::EndNotSeen => (
            "the other qube could not detect when you had finished with it",
            "open it again, and save it before you close the window in which the other qube \
             asks; this window needs zenity or kdialog in the template of that qube",
        ),
    };
    Some(Failure::new(what).advise(advice))
}

/// Puts what came in the place of the original, if it is sure to be the user's edit of it and all
/// of it; else keeps it beside the original. Does not return half-way: signals wait.
///
/// Of an answer that [is whole](Conversation::is_whole) how the call ended changes nothing, so it
/// need not have ended.
#[must_use]
pub fn finish(original: &Original, conversation: Conversation, ended: Ended) -> Outcome {
    finish_as(original, conversation, ended, &Choice::default())
}

/// The same, with what the user wants to become of an edit that is whole.
#[must_use]
pub fn finish_as(
    original: &Original,
    conversation: Conversation,
    ended: Ended,
    choice: &Choice<'_>,
) -> Outcome {
    let Conversation {
        mut answer, fault, ..
    } = conversation;
    let fault = fault.or_else(|| answer.make_durable().err().map(AnswerError::NotStored));
    let why_not_all = match (fault, answer.form, &ended) {
        // How the call ended tells more than the broken connection that came of it.
        (Some(fault), _, Ended::Badly(why)) if fault.is_lost_connection() => Some(why.clone()),
        (Some(fault), ..) => Some(fault.into()),
        // A whole frame says more than a status, which tells nothing of the file.
        (None, Form::Framed(kind), _) => why_of_kind(kind),
        (None, Form::None | Form::Raw, Ended::Badly(why)) => Some(why.clone()),
        (None, Form::None | Form::Raw, _) => None,
    };
    let why_unsure = match (answer.form, answer.asked_for_frame) {
        (Form::Raw, true) => Some(BackupReason::RawAnswer),
        (Form::Raw, false) => Some(BackupReason::MarkInside),
        (Form::None | Form::Framed(_), _) => None,
    };
    let Answer {
        stored,
        why_elsewhere,
        ..
    } = answer;
    let outcome = match (stored, why_not_all) {
        (None, None) => Outcome::Unchanged,
        (None, Some(why)) => Outcome::Failed(why),
        (Some(part), Some(why)) => keep_it(original, part, Kept::Incomplete, why),
        (Some(edited), None) => put_in_place(original, edited, why_elsewhere, why_unsure, choice),
    };
    outcome.after(ended)
}

impl Outcome {
    /// What there is to say once the call has ended.
    #[must_use]
    pub fn after(mut self, ended: Ended) -> Self {
        let Ended::Badly(why) = ended else {
            return self;
        };
        match &mut self {
            // Not to be silent about, whatever it was.
            Self::Unchanged => Self::Failed(why),
            Self::Replaced { ended_badly, .. } => {
                *ended_badly = Some(why.reason());
                self
            }
            _ => self,
        }
    }
}

/// `why_elsewhere` is why `edited` is not in the folder of the original, if it is not; `why_unsure` why
/// it may not be the user's edit, or not all of it.
fn put_in_place(
    original: &Original,
    mut edited: Temporary,
    why_elsewhere: Option<io::Error>,
    why_unsure: Option<BackupReason>,
    choice: &Choice<'_>,
) -> Outcome {
    let edited_size = match edited.file().metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) => return keep_edited(original, edited, error.to_string()),
    };
    if let Some(error) = why_elsewhere.as_ref().filter(|error| !is_refusal(error)) {
        let why = format!("the edit cannot be stored next to it: {error}");
        return keep_edited(original, edited, why);
    }
    let shrunken = original.size() > SHRUNKEN_ABOVE && edited_size < original.size().div_ceil(2);
    let backup = why_unsure
        .or(shrunken.then_some(BackupReason::Shrunken))
        .or(choice.backup.then_some(BackupReason::Asked));
    if let Some(Err(why)) = choice
        .approve
        .map(|approve| approve(original.file(), edited.file()))
    {
        return keep_edited(original, edited, why);
    }
    match place(original, &mut edited, why_elsewhere, backup.is_some()) {
        Ok(replaced) => {
            let Replaced {
                copy,
                lost,
                unsynced,
            } = replaced;
            let old = copy.unwrap_or(edited);
            Outcome::Replaced {
                backup: backup.and_then(|reason| Some((path_of_left(old)?, reason))),
                lost,
                unsynced,
                ended_badly: None,
            }
        }
        Err(NotReplaced::Changed) => {
            let why = "it has changed since it was sent".to_owned();
            keep_edited(original, edited, why)
        }
        Err(NotReplaced::SetAside(aside)) => {
            let Aside {
                path,
                has_edit,
                error,
            } = aside;
            Outcome::SetAside {
                at: path,
                edited: match has_edit {
                    true => Some(original.path()),
                    false => keep(edited, Kept::Edited, original).ok(),
                },
                why: error.map(|error| error.to_string()),
            }
        }
        Err(NotReplaced::Failed(error)) => {
            let why = format!("it cannot be replaced: {error}");
            keep_edited(original, edited, why)
        }
        Err(NotReplaced::Damaged(backup, error)) => Outcome::Damaged {
            backup: path_of_left(backup).unwrap_or_default(),
            edited: keep(edited, Kept::Edited, original).ok(),
            why: error.to_string(),
        },
    }
}

fn keep_edited(original: &Original, edited: Temporary, what: String) -> Outcome {
    let why = Failure::new(what).advise(Outcome::COMPARE);
    keep_it(original, edited, Kept::Edited, why)
}

fn keep_it(original: &Original, file: Temporary, kept: Kept, why: Failure) -> Outcome {
    match keep(file, kept, original) {
        Ok(at) => Outcome::Kept { at, kept, why },
        Err(error) => Outcome::Failed(
            Failure::new(format_args!(
                "{}; the edit is lost, because it cannot be saved: {error}",
                why.reason()
            ))
            .advise("make room in its folder or in /tmp, and open it again"),
        ),
    }
}

fn path_of_left(file: Temporary) -> Option<PathBuf> {
    let folder = std::rc::Rc::clone(file.folder());
    file.leave().map(|name| folder.path_of(&name))
}
