//! What is not deleted, and why.

use std::collections::BTreeMap;

use qfile_proto::display::own;
use rustix::io::Errno;

use crate::report::{counted, push_rows};
use crate::survey::Rows;

/// Why something stays. In the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// It stays under a private name, because its own was taken meanwhile.
    Astray,
    /// It is no longer in the state that was confirmed.
    Changed,
    /// Something else stands under its name.
    Replaced,
    /// It was moved or deleted by someone else.
    Gone,
    /// It was not among what was confirmed.
    NotSent,
    /// A link that `--ignore-symlinks` left out.
    IgnoredLink,
    /// A link in whose place `--dereference` copied what it points to.
    FollowedLink,
    /// No file, folder or link.
    Special,
    /// The system refused, with this error number.
    Refused(i32),
}

/// All that stays.
#[derive(Debug, Default)]
pub(super) struct Stays(BTreeMap<Reason, Rows>);

impl Reason {
    /// What an error of the system stands for.
    pub(super) fn of(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::Gone,
            other => Self::Refused(other.raw_os_error()),
        }
    }

    fn heading(self) -> String {
        match self {
            Self::Astray => "has another name now, because something took its own".to_owned(),
            Self::Changed => "changed since it was copied".to_owned(),
            Self::Replaced => "replaced by something else since it was copied".to_owned(),
            Self::Gone => "no longer there: something else moved or deleted it".to_owned(),
            Self::NotSent => "not part of what was copied and confirmed".to_owned(),
            Self::IgnoredLink => "a link, left out by --ignore-symlinks".to_owned(),
            Self::FollowedLink => "a link; what it points to was copied".to_owned(),
            Self::Special => "no file, folder or link".to_owned(),
            Self::Refused(errno) => {
                let error = std::io::Error::from_raw_os_error(errno);
                format!("cannot be deleted: {error}")
            }
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Astray => "give it back its name when that is free again",
            Self::Changed | Self::Replaced | Self::NotSent => {
                "move it again, or delete it yourself"
            }
            Self::Gone => "look for it under another name",
            Self::IgnoredLink | Self::FollowedLink | Self::Special => {
                "delete it yourself if it is not needed"
            }
            Self::Refused(errno) => match Errno::from_raw_os_error(errno) {
                Errno::ACCESS | Errno::PERM => {
                    "it takes the permission to write to the folder that it stands in"
                }
                Errno::ROFS => "it is on a disk that can only be read",
                Errno::INVAL => {
                    "its file system cannot rename without overwriting; delete it yourself"
                }
                _ => "delete it yourself",
            },
        }
    }
}

impl Stays {
    /// Notes that what was confirmed as `path` stays; if not under that name, then as `now`.
    pub(super) fn add(&mut self, reason: Reason, path: &[u8], now: Option<&[u8]>) {
        let rows = self.0.entry(reason).or_default();
        rows.add(|| match now {
            Some(now) => format!("{} is now {}", own(path), own(now)),
            None => own(path),
        });
    }

    /// True when everything is deleted.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it, as one table.
    pub(super) fn told(&self) -> String {
        let count = self.0.values().map(|rows| rows.count).sum();
        let verb = if count == 1 { "stays" } else { "stay" };
        let mut text = format!("{} {verb} here:", counted(count, "entry", "entries"));
        for (reason, rows) in &self.0 {
            push_rows(&mut text, &reason.heading(), rows, reason.advice());
        }
        text
    }

    /// The same, when not everything was tried.
    pub(super) fn told_of_interrupted(&self) -> String {
        let mut text = "cancelled while deleting: everything was copied, and a part of it is \
                        still here"
            .to_owned();
        if !self.is_empty() {
            text.push_str("; of what was tried, ");
            text.push_str(&self.told());
        }
        text
    }
}
