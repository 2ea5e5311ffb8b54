//! What can go wrong on a walk, and what to do about it.

use std::fmt;
use std::io;

use qfile_proto::header::MAX_NAME_LEN;
use text::name;

/// How many folders that were entered by a followed link may lie inside one another. `..` does not
/// lead out of such a folder, so the one with the link has to stay open. Linux itself follows 40.
pub(crate) const MAX_NESTED_LINKS: usize = 40;

/// A walk could not do something with one entry. The walk may go on with the next.
#[derive(Debug)]
pub struct WalkError {
    /// The path by which the person who asked for it knows it.
    pub path: Vec<u8>,
    /// Why.
    pub reason: Reason,
}

/// Why a walk could not do something.
#[derive(Debug)]
pub enum Reason {
    /// It was there when its folder was read and is gone now.
    Vanished,
    /// It was of one kind when its folder was read and is of another now.
    Changed,
    /// A file, folder or link cannot be opened.
    Open(io::Error),
    /// The content of a folder cannot be read on.
    Read(io::Error),
    /// A folder was moved somewhere else while it was walked. The walk ends here.
    Moved,
    /// The folder that a walk came from cannot be opened again. The walk ends here.
    Return(io::Error),
    /// A link that was to be followed leads nowhere.
    Dangling(io::Error),
    /// A link that was to be followed leads to a folder that contains it.
    Loop,
    /// Links that were to be followed lead to folders with such links, and so on.
    NestedLinks,
    /// Its name would be longer than the format allows.
    NameTooLong,
}

impl WalkError {
    pub(crate) fn new(path: &[u8], reason: Reason) -> Self {
        Self {
            path: path.to_vec(),
            reason,
        }
    }

    /// True when something that was there is gone: others use the folder meanwhile, and nothing is
    /// wrong with what is left.
    #[must_use]
    pub fn is_vanished(&self) -> bool {
        matches!(self.reason, Reason::Vanished)
    }

    /// True when a receiver would refuse it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.reason, Reason::NameTooLong)
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match &self.reason {
            Reason::Vanished | Reason::Changed | Reason::Moved | Reason::Return(_) => {
                "stop the program that changes these files, and copy again"
            }
            Reason::Open(error) | Reason::Read(error) => match error.kind() {
                io::ErrorKind::NotFound => "check the spelling",
                io::ErrorKind::PermissionDenied => {
                    "make it readable with chmod, or move it out of the folder that is copied"
                }
                _ => "check that it can be read, or move it out of the folder that is copied",
            },
            Reason::Dangling(_) => {
                "remove or repair the link, or use --ignore-symlinks instead of --dereference"
            }
            Reason::Loop | Reason::NestedLinks => "copy without --dereference, or remove the link",
            Reason::NameTooLong => "move the deepest folders up, or pack the tree into an archive",
        }
    }
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = name(&self.path);
        match &self.reason {
            Reason::Vanished => write!(f, "{path} vanished while it was copied"),
            Reason::Changed => write!(
                f,
                "{path} was replaced by something else while it was copied"
            ),
            Reason::Open(error) => write!(f, "cannot open {path}: {error}"),
            Reason::Read(error) => write!(f, "cannot list the folder {path}: {error}"),
            Reason::Moved => write!(f, "the folder {path} was moved while it was copied"),
            Reason::Return(error) => write!(f, "cannot return to the folder {path}: {error}"),
            Reason::Dangling(error) => write!(f, "cannot follow the link {path}: {error}"),
            Reason::Loop => write!(f, "the link {path} leads to a folder that contains it"),
            Reason::NestedLinks => write!(
                f,
                "the link {path} is in more than {MAX_NESTED_LINKS} folders that were entered \
                 through links"
            ),
            Reason::NameTooLong => write!(
                f,
                "the name of {path} is longer than the {MAX_NAME_LEN} bytes that can be sent"
            ),
        }
    }
}

impl std::error::Error for WalkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            Reason::Open(error)
            | Reason::Read(error)
            | Reason::Return(error)
            | Reason::Dangling(error) => Some(error),
            _ => None,
        }
    }
}
