//! What a receiver refuses, by the code that it judges with itself: for senders that find it out, or
//! leave it out, before it is sent.

use std::fmt;

use files::last_component;
use qfile_proto::{LinkRules, SafeName, SafeTarget};
use text::Charset;

use crate::found::{Found, What};

/// Longest component of a name in bytes that Linux file systems can store.
const MAX_COMPONENT_LEN: usize = 255;

/// Longest link target in bytes that Linux can store.
const MAX_STORED_TARGET_LEN: usize = 4095;

/// Why a receiver that allows all names refuses an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A link would stand directly in the incoming folder.
    LinkOnTop,
    /// A link points to an absolute path.
    AbsoluteLink,
    /// A link leads out of its top-level folder, or could.
    LinkLeadsOut,
    /// A name or link target that no file system of Linux can store.
    TooLong,
}

/// Why the link `name` with this `target` is refused, if it is.
#[must_use]
pub fn refusal_of_link(name: &[u8], target: &[u8]) -> Option<Refusal> {
    if target.len() > MAX_STORED_TARGET_LEN {
        return Some(Refusal::TooLong);
    }
    let rules = LinkRules {
        charset: Charset::All,
        ..LinkRules::default()
    };
    let judged = SafeName::parse(name, Charset::All);
    if judged.is_ok_and(|name| SafeTarget::parse(target, name, rules).is_ok()) {
        None
    } else if target.starts_with(b"/") {
        Some(Refusal::AbsoluteLink)
    } else if !name.contains(&b'/') {
        Some(Refusal::LinkOnTop)
    } else {
        Some(Refusal::LinkLeadsOut)
    }
}

/// Why the last component of `name` is refused, if it is: the others were judged with their folders.
#[must_use]
pub fn refusal_of_name(name: &[u8]) -> Option<Refusal> {
    (last_component(name).len() > MAX_COMPONENT_LEN).then_some(Refusal::TooLong)
}

/// What becomes of an entry where refused ones are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByName {
    /// Nothing is wrong with its name.
    Fine,
    /// It is refused.
    Refused(Refusal),
    /// It stands in a folder that is refused.
    InRefused,
}

/// Leaves out, on one walk, what is refused by its name, and with a folder what is in it.
#[derive(Debug, Default)]
pub struct NameFilter {
    /// The name of the refused folder that the walk is in.
    folder: Option<Vec<u8>>,
}

impl NameFilter {
    /// Judges the next entry of the walk.
    pub fn judge(&mut self, entry: &Found<'_>) -> ByName {
        if let Some(folder) = &self.folder {
            let rest = entry.name.strip_prefix(&**folder);
            if rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/') {
                return ByName::InRefused;
            }
        }
        self.folder = None;
        let Some(refusal) = refusal_of_name(entry.name) else {
            return ByName::Fine;
        };
        if matches!(entry.what, What::EnterFolder(_)) {
            self.folder = Some(entry.name.to_vec());
        }
        ByName::Refused(refusal)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinkOnTop => "a link that is not inside a folder that is copied with it",
            Self::AbsoluteLink => "a link to an absolute path",
            Self::LinkLeadsOut => {
                "a link that leads, or could lead, out of the folder that is copied"
            }
            Self::TooLong => "longer than a file system can store",
        })
    }
}
