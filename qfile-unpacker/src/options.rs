//! What can be chosen about receiving, by the owner's settings, a profile or the command line.

use std::fmt;
use std::path::PathBuf;

/// How a stream is to be received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Whose incoming folder; `None`: the caller's.
    pub(crate) uid: Option<u32>,
    /// The incoming folder; `None`: `~/QubesIncoming/QUBE`.
    pub(crate) dir: Option<PathBuf>,
    /// Name on stderr each file that landed, the isolation, and paths in errors.
    pub(crate) verbose: bool,
    /// Wait until the file system has room for a file and this many bytes more; 0 is off.
    pub(crate) wait_for_space: u64,
    /// Lift the rule of characters in names.
    pub(crate) allow_all_names: bool,
    /// Lift every rule on the targets of links.
    pub(crate) allow_unsafe_symlinks: bool,
    /// Refuse detours in the targets of links.
    pub(crate) canonical_symlinks: bool,
    /// Refuse whatever is not a regular file.
    pub(crate) only_regular_files: bool,
    /// What to do with a name that is there.
    pub(crate) on_conflict: OnConflict,
    /// Most bytes of content in the whole stream.
    pub(crate) max_bytes: Option<u64>,
    /// Most files, folders and links in the whole stream.
    pub(crate) max_files: Option<u64>,
    /// Most bytes of content in percent of what is free at the beginning.
    pub(crate) max_fill: Option<u64>,
    /// Write zeros instead of leaving holes.
    pub(crate) no_sparse: bool,
    /// Receive files that are longer than the free space.
    pub(crate) no_space_check: bool,
    /// The least isolation to run with.
    pub(crate) require_isolation: Option<Level>,
    /// Whether the user is notified of a copy, by the program that reads the report.
    pub(crate) notify: Notify,
}

/// Whether the user is notified of a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Notify {
    #[default]
    Yes,
    No,
}

impl Notify {
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"yes" => Some(Self::Yes),
            b"no" => Some(Self::No),
            _ => None,
        }
    }
}

/// What to do with a file whose name is already there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnConflict {
    /// Refuse it.
    #[default]
    Fail,
    /// Let the new file, or top-level folder, land as `name (2).ext`.
    Rename,
    /// Go on if it is the same, else refuse it.
    SkipIdentical,
}

impl OnConflict {
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"fail" => Some(Self::Fail),
            b"rename" => Some(Self::Rename),
            b"skip-identical" => Some(Self::SkipIdentical),
            _ => None,
        }
    }
}

/// How the receiver is kept apart from the rest of the qube, the least first. Landlock, seccomp and
/// `openat2` are part of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Landlock, seccomp and `openat2` only.
    Landlock,
    /// Namespaces of its own and a root that is the incoming folder, made in a user namespace.
    UserNamespace,
    /// The same, made with the rights of root.
    Root,
}

impl Level {
    /// The name for `--require-isolation`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Landlock => "landlock",
            Self::UserNamespace => "user-namespace",
            Self::Root => "root",
        }
    }

    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        [Self::Landlock, Self::UserNamespace, Self::Root]
            .into_iter()
            .find(|level| level.name().as_bytes() == name)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A number of decimal digits, nothing else.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    // `parse` alone would take a sign too.
    let digits = text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    text.parse().ok()
}

/// Bytes to wait for beyond the length of a file (`--wait-for-space`).
pub(crate) fn margin(text: &[u8]) -> Option<u64> {
    quantity::size(text).filter(|bytes| *bytes <= i32::MAX.unsigned_abs().into())
}
