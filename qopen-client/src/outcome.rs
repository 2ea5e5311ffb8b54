//! What became of the original and of the edit, and how it is told.

use std::io;
use std::path::PathBuf;

use crate::answer::{Answer, Fault};
use crate::conversation::Conversation;
use crate::keep::{Kept, keep};
use crate::original::{Original, shown};
use crate::replace::{NotReplaced, replace};
use crate::rewrite::rewrite;
use crate::temporary::Temporary;

/// An original larger than this is backed up when less than half of it comes back.
const SHRUNKEN_ABOVE: u64 = 64 * 1024;

/// How the call ended, as far as its caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With status 0: what came is all.
    Well,
    /// Otherwise, for this reason.
    Badly(Reason),
    /// A local program of qrexec never learns it.
    Unknown,
}

/// Why there is no edit, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What went wrong, in words.
    pub what: String,
    /// What to do about it.
    pub advice: &'static str,
}

/// What became of the original and of the edit.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing came back, and nothing was done.
    Unchanged,
    /// The original has the new content.
    Replaced {
        /// Where the old content is, if there was a reason to keep it.
        backup: Option<PathBuf>,
        /// What of its attributes it has lost, in words.
        lost: Vec<String>,
        /// Why the edit may not outlast a loss of power, if its folder could not be synced.
        unsynced: Option<io::Error>,
    },
    /// The original is as it was, or as somebody else has made it; what came is here.
    Kept {
        /// Where.
        at: PathBuf,
        /// Whether that is all of the edit.
        kept: Kept,
        /// Why.
        why: Reason,
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
    Failed(Reason),
}

impl Outcome {
    /// The original has the edit, or there was none.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Unchanged | Self::Replaced { .. })
    }

    /// What the user has to know, one line each; `path` is the original as they know it.
    #[must_use]
    pub fn messages(&self, path: &std::path::Path) -> Vec<String> {
        let file = shown(path);
        match self {
            Self::Unchanged => Vec::new(),
            Self::Replaced {
                backup,
                lost,
                unsynced,
            } => {
                let mut messages: Vec<String> = lost
                    .iter()
                    .map(|what| format!("{file} has the edit, but could not be given back {what}"))
                    .collect();
                if let Some(error) = unsynced {
                    messages.push(format!(
                        "{file} has the edit, but its folder cannot be written to disk: {error}"
                    ));
                }
                if let Some(backup) = backup {
                    let backup = shown(backup);
                    messages.push(format!("{file} has the edit; before, it was {backup}"));
                }
                messages
            }
            Self::Kept { at, kept, why } => {
                let Reason { what, advice } = why;
                let came = match kept {
                    Kept::Incomplete => "what came back, which may not be all, is",
                    Kept::Edited | Kept::Backup => "the edited file is",
                };
                let at = shown(at);
                vec![
                    format!("{file} is left as it is: {what}; {came} {at}"),
                    (*advice).to_owned(),
                ]
            }
            Self::Damaged {
                backup,
                edited,
                why,
            } => {
                let backup = shown(backup);
                let edited = edited.as_deref().map_or("lost".to_owned(), shown);
                vec![
                    format!(
                        "{file} could not be rewritten and is damaged: {why}; its content before is \
                         {backup}, the edited file is {edited}"
                    ),
                    "make room, and copy the one that you want over it".to_owned(),
                ]
            }
            Self::Failed(Reason { what, advice }) => vec![
                format!("{file} is left as it is: {what}"),
                (*advice).to_owned(),
            ],
        }
    }
}

/// Puts what came in the place of the original, if it is sure to be the user's edit of it and all
/// of it; else keeps it beside the original. Does not return half-way: signals wait.
#[must_use]
pub fn finish(original: &Original, conversation: Conversation, ended: Ended) -> Outcome {
    let Conversation {
        mut answer, fault, ..
    } = conversation;
    let fault = fault.or_else(|| answer.make_durable().err().map(Fault::NotStored));
    let why_not_all = match (&ended, fault) {
        // How the call ended tells more than the broken connection that came of it.
        (Ended::Badly(why), None | Some(Fault::NotTaken(_) | Fault::Broken(_))) => {
            Some(why.clone())
        }
        (_, fault) => fault.map(Reason::from),
    };
    let Answer {
        stored,
        why_elsewhere,
        ..
    } = answer;
    match (stored, why_not_all, why_elsewhere) {
        (None, None, _) => Outcome::Unchanged,
        (None, Some(why), _) => Outcome::Failed(why),
        (Some(part), Some(why), _) => keep_it(original, part, Kept::Incomplete, why),
        (Some(edited), None, Some(error)) => {
            let why = format!("what came back cannot be stored beside it: {error}");
            keep_edited(original, edited, why)
        }
        (Some(edited), None, None) => put_in_place(original, edited, &ended),
    }
}

fn put_in_place(original: &Original, mut edited: Temporary, ended: &Ended) -> Outcome {
    let edited_size = match edited.file().metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) => return keep_edited(original, edited, error.to_string()),
    };
    let shrunken = original.size() > SHRUNKEN_ABOVE && edited_size < original.size() / 2;
    let backup = shrunken || *ended == Ended::Unknown;
    let replaced = match original.stamp().has_other_names() {
        true => rewrite(original, edited.file()),
        false => replace(original, &mut edited, backup),
    };
    match replaced {
        Ok(replaced) => {
            let old = replaced.copy.unwrap_or(edited);
            let backup = if backup { path_of_left(old) } else { None };
            Outcome::Replaced {
                backup,
                lost: replaced.lost,
                unsynced: replaced.unsynced,
            }
        }
        Err(NotReplaced::Changed) => {
            let why = "it has changed since it was sent".to_owned();
            keep_edited(original, edited, why)
        }
        Err(NotReplaced::Failed(error)) => {
            let why = format!("it cannot be replaced: {error}");
            keep_edited(original, edited, why)
        }
        Err(NotReplaced::Damaged(backup, error)) => Outcome::Damaged {
            backup: path_of_left(backup).unwrap_or_default(),
            edited: keep(edited, Kept::Edited, original.name()).ok(),
            why: error.to_string(),
        },
    }
}

fn keep_edited(original: &Original, edited: Temporary, what: String) -> Outcome {
    let advice = "compare the two, and give the one that you want its name";
    keep_it(original, edited, Kept::Edited, Reason { what, advice })
}

fn keep_it(original: &Original, file: Temporary, kept: Kept, why: Reason) -> Outcome {
    match keep(file, kept, original.name()) {
        Ok(at) => Outcome::Kept { at, kept, why },
        Err(error) => Outcome::Failed(Reason {
            what: format!(
                "{}; what came back is lost, since it cannot be kept: {error}",
                why.what
            ),
            advice: "make room in its folder or in /tmp, and open it again",
        }),
    }
}

fn path_of_left(file: Temporary) -> Option<PathBuf> {
    let folder = std::rc::Rc::clone(file.folder());
    file.leave().map(|name| folder.path_of(&name))
}

impl From<Fault> for Reason {
    fn from(fault: Fault) -> Self {
        Self {
            what: fault.to_string(),
            advice: fault.advice(),
        }
    }
}
