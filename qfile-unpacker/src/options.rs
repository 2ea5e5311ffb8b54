//! What can be chosen about receiving, whoever chooses it: the owner's settings, a profile, the
//! command line.

use std::path::PathBuf;

use crate::jail::Level;

/// Most bytes to wait for beyond the length of a file (`--wait-for-space`).
pub(crate) const MAX_MARGIN: u64 = i32::MAX.unsigned_abs() as u64;

/// How a stream is to be received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whose incoming folder; `None`: the caller's.
    pub uid: Option<u32>,
    /// The incoming folder; `None`: `~/QubesIncoming/QUBE`.
    pub dir: Option<PathBuf>,
    /// Name on stderr each file that landed, the isolation, and paths in errors.
    pub verbose: bool,
    /// Wait until the file system has room for a file and this many bytes more; 0 is off.
    pub wait_for_space: u64,
    /// Lift the rule of characters in names.
    pub allow_all_names: bool,
    /// Lift every rule on the targets of links.
    pub allow_unsafe_symlinks: bool,
    /// Refuse detours in the targets of links.
    pub canonical_symlinks: bool,
    /// Refuse whatever is not a regular file.
    pub only_regular_files: bool,
    /// What to do with a name that is there.
    pub on_conflict: OnConflict,
    /// Most bytes of content in the whole stream.
    pub max_bytes: Option<u64>,
    /// Most files, folders and links in the whole stream.
    pub max_files: Option<u64>,
    /// Most bytes of content in percent of what is free at the beginning.
    pub max_fill: Option<u64>,
    /// Write zeros instead of leaving holes.
    pub no_sparse: bool,
    /// Receive files that are longer than the free space.
    pub no_space_check: bool,
    /// The least isolation to run with.
    pub require_isolation: Option<Level>,
}

/// What to do with a file whose name is already there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Refuse it.
    #[default]
    Fail,
    /// Let the new file, or top-level folder, land as `name (2).ext`.
    Rename,
    /// Go on if it is the same, else refuse it.
    SkipIdentical,
}

impl OnConflict {
    /// The way of that name.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"fail" => Some(Self::Fail),
            b"rename" => Some(Self::Rename),
            b"skip-identical" => Some(Self::SkipIdentical),
            _ => None,
        }
    }
}

/// A number of decimal digits, nothing else.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    // `parse` alone would take a sign too.
    let digits = text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    text.parse().ok()
}
