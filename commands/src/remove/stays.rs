//! What is not deleted, and why.
//!
//! What stays may be newer than its copy, or have none. So nothing here proposes to delete a file
//! whose only good copy it may be, here or there.

use std::collections::BTreeMap;
use std::io;

use quantity::counted;
use rustix::io::Errno;
use text::name;

use crate::report::push_rows;
use crate::survey::Rows;

/// Why something stays. In the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// A file that was written to while it was sent.
    Torn,
    /// A file that a program has open for writing.
    Open,
    /// It stays under a private name, because its own was taken meanwhile.
    Astray,
    /// It is no longer in the state that was confirmed.
    Changed,
    /// Something was put into the folder after everything in it was gone.
    Filled,
    /// Something else stands under its name.
    Replaced,
    /// It was moved or deleted by someone else.
    Gone,
    /// The same, before it could be sent.
    Vanished,
    /// It was not among what was confirmed.
    NotSent,
    /// It arrived in an earlier call, which stopped before anything was confirmed.
    Unconfirmed,
    /// `--exclude` left it out.
    Excluded,
    /// A link that `--ignore-symlinks` left out.
    IgnoredLink,
    /// The receiver would refuse it, and `--skip-refused` left it out.
    SkippedRefused,
    /// A link in whose place `--dereference` copied what it points to.
    FollowedLink,
    /// No file, folder or link.
    Special,
    /// The system refused, with this error number.
    Refused(i32),
}

/// What is to be told of a single entry.
#[derive(Debug)]
pub(super) enum Note {
    /// The name that it has now.
    NowCalled(Vec<u8>),
    /// The program that has it open.
    OpenIn(String),
}

/// What the advice has in it if something is to be moved a second time.
const AGAIN: &str = "move it again";

/// Where it would arrive by the path that is shown: at the top.
const IN_ITS_PLACE: &str = "\n  To move an entry of a folder again, name the folder, as you did before: \
                            then the entry arrives in that folder.";

/// All that stays.
#[derive(Debug, Default)]
pub(super) struct Stays(BTreeMap<Reason, Rows>);

/// How the deleting ended.
#[derive(Debug)]
pub(super) enum End {
    /// Everything was tried.
    Complete,
    /// The user interrupted it.
    Interrupted,
    /// The manifest could not be read on.
    Unreadable(io::Error),
}

impl Reason {
    /// All but [`Refused`](Self::Refused).
    #[cfg(test)]
    const OURS: [Self; 15] = [
        Self::Torn,
        Self::Open,
        Self::Astray,
        Self::Changed,
        Self::Filled,
        Self::Replaced,
        Self::Gone,
        Self::Vanished,
        Self::NotSent,
        Self::Unconfirmed,
        Self::Excluded,
        Self::IgnoredLink,
        Self::SkippedRefused,
        Self::FollowedLink,
        Self::Special,
    ];

    /// What an error of the system stands for.
    pub(super) fn of(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::Gone,
            other => Self::Refused(other.raw_os_error()),
        }
    }

    /// What an error of unlink(2) or rmdir(2) stands for.
    pub(super) fn of_undeleted(errno: Errno) -> Self {
        match errno {
            // rmdir(2) may answer either.
            Errno::NOTEMPTY | Errno::EXIST => Self::Filled,
            other => Self::of(other),
        }
    }

    fn heading(self) -> String {
        let heading = match self {
            Self::Torn => {
                "changed while it was copied: the copy there may be inconsistent, the one here is \
                 correct"
            }
            Self::Open => "open for writing: later changes are only in the file here",
            Self::Astray => "has another name now, because its own name was taken",
            Self::Changed => "changed since it was copied: the copy there is older",
            Self::Filled => "a folder to which something was added during the move",
            Self::Replaced => "replaced by something else since it was copied",
            Self::Gone => "no longer found under its name: it was moved or deleted",
            Self::Vanished => "moved or deleted before it could be copied",
            Self::NotSent => "not among the entries that were copied and confirmed",
            Self::Unconfirmed => "arrived in the call that stopped, and was never confirmed",
            Self::SkippedRefused => "left out by --skip-refused: the other qube would refuse it",
            Self::Excluded => "left out by --exclude",
            Self::IgnoredLink => "a link, left out by --ignore-symlinks",
            Self::FollowedLink => "a link; what it points to was copied",
            Self::Special => "not a file, folder or link, so there is no copy of it",
            Self::Refused(errno) => {
                let error = io::Error::from_raw_os_error(errno);
                return format!("cannot be deleted: {error}");
            }
        };
        heading.to_owned()
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Torn => {
                "when nothing writes to it any more, remove the copy there and move it again"
            }
            Self::Open => "close it in that program, remove the copy there and move it again",
            Self::Astray => "rename it to its own name when that name is free again",
            Self::Changed => "remove the copy there or rename the one here, and move it again",
            Self::Filled => "move it again: its content is added to the folder there",
            Self::Replaced => "keep the copy there; rename what is here and move it again",
            Self::Gone => "keep the copy there, and look for it here under another name",
            Self::Vanished => "look for it here under another name, and move it from there",
            Self::NotSent => "there is no copy of it there; move it again",
            Self::Excluded => {
                "there is no copy of it there; if it is needed there, move it without --exclude"
            }
            Self::IgnoredLink => {
                "there is no copy of it there; delete it yourself only if it is not needed"
            }
            Self::FollowedLink => {
                "delete the link yourself if it is not needed; what it points to was not deleted \
                 either"
            }
            Self::Unconfirmed => {
                "remove the copy there and move it again, without --continue; with \
                 ON_CONFLICT=skip-identical in /rw/config/filecopy.conf there (see filecopy.conf(5)), \
                 the copy need not be removed"
            }
            Self::SkippedRefused => {
                "there is no copy of it there; rename it and move it again; if it is a link, \
                 --dereference copies what it points to"
            }
            Self::Special => "delete it yourself only if it is not needed",
            Self::Refused(errno) => match Errno::from_raw_os_error(errno) {
                Errno::ACCESS => "you need permission to write to the folder that contains it",
                Errno::PERM => {
                    "it belongs to another user or is protected (see lsattr), or its folder is"
                }
                Errno::ROFS => "it is on a read-only disk",
                Errno::BUSY => {
                    "something is mounted on it: unmount it, and look at the content underneath"
                }
                _ => {
                    "before you delete it yourself, make sure that it has not changed since it \
                     was copied"
                }
            },
        }
    }
}

impl Stays {
    /// Notes that what was confirmed as `path` stays.
    pub(super) fn add(&mut self, reason: Reason, path: &[u8], note: Option<&Note>) {
        let rows = self.0.entry(reason).or_default();
        rows.add(|| match note {
            Some(Note::NowCalled(now)) => format!("{} is now {}", name(path), name(now)),
            Some(Note::OpenIn(program)) => format!("{} (in {program})", name(path)),
            None => name(path),
        });
    }

    /// True when everything is deleted.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it, as one table, and how it came to that.
    pub(super) fn told(&self, end: &End) -> String {
        let list = self.list();
        let rest = "some of the files are still here; keep the copies that arrived, because the \
                    other files exist only there; look at the files here before you delete them, \
                    because they may have changed since";
        let cut = match end {
            End::Complete => return format!("what was sent arrived, but {list}"),
            End::Interrupted => "cancelled while deleting: what was sent arrived".to_owned(),
            End::Unreadable(error) => format!(
                "what was sent arrived, but the deletion stopped, because the rest of \
                 the list of sent files cannot be read: {error}"
            ),
        };
        match self.is_empty() {
            true => format!("{cut}\n{rest}"),
            false => format!("{cut}\n{rest}\nso far, {list}"),
        }
    }

    fn list(&self) -> String {
        let count = self.0.values().map(|rows| rows.count).sum();
        let verb = if count == 1 { "is" } else { "are" };
        let mut text = format!(
            "{} {verb} not deleted here:",
            counted(count, "entry", "entries")
        );
        for (reason, rows) in &self.0 {
            push_rows(&mut text, &reason.heading(), rows, reason.advice());
        }
        if self.0.keys().any(|reason| reason.advice().contains(AGAIN)) {
            text.push_str(IN_ITS_PLACE);
        }
        text
    }
}

/// Every reason once, for the catalogue of messages.
#[cfg(test)]
pub(crate) fn examples() -> Vec<(String, String)> {
    let mut stays = Stays::default();
    let refused = [
        Errno::ACCESS,
        Errno::PERM,
        Errno::ROFS,
        Errno::BUSY,
        Errno::IO,
    ];
    let refused = refused.map(Reason::of);
    for reason in Reason::OURS.into_iter().chain(refused) {
        let note = match reason {
            Reason::Astray => Some(Note::NowCalled(b".qvm-move-00-plan.txt".into())),
            Reason::Open => Some(Note::OpenIn("writer".to_owned())),
            _ => None,
        };
        stays.add(reason, b"/home/user/docs/plan.txt", note.as_ref());
    }
    let unreadable = End::Unreadable(io::Error::from_raw_os_error(5));
    let mut one = Stays::default();
    one.add(Reason::Torn, b"/home/user/docs/plan.txt", None);
    [
        ("Everything was tried", stays.told(&End::Complete)),
        ("Interrupted", one.told(&End::Interrupted)),
        (
            "Interrupted at once",
            Stays::default().told(&End::Interrupted),
        ),
        (
            "The list cannot be read on",
            Stays::default().told(&unreadable),
        ),
    ]
    .map(|(heading, text)| (heading.to_owned(), text))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stays may be the only copy, or the only good one, unless it is a link or special file.
    #[test]
    fn no_advice_is_to_delete_what_may_be_the_only_copy() {
        for reason in Reason::OURS {
            let advice = reason.advice();
            let expendable = [Reason::IgnoredLink, Reason::FollowedLink, Reason::Special];
            let deletes = advice.contains("delete");
            assert_eq!(deletes, expendable.contains(&reason), "{advice}");
        }
        // The copy there may be the only one once something here is gone or was replaced.
        for reason in [Reason::Gone, Reason::Replaced] {
            assert!(reason.advice().contains("keep the copy there"));
        }
    }
}
