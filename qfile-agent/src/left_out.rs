//! What was asked for and is not in the stream as it should be.

use std::fmt;

use text::name;
use walk::{Refusal, Special};

/// How much of that there is.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    count: u64,
    /// How many of them no stream carries.
    special: u64,
    /// The first of them, in words.
    first: String,
    /// All of it is in the manifest, and whoever reads that names it.
    is_listed: bool,
}

impl LeftOut {
    /// Nothing yet; with a manifest, what comes is listed there.
    pub(crate) fn new(is_listed: bool) -> Self {
        Self {
            is_listed,
            ..Self::default()
        }
    }

    /// True if the manifest has all of it.
    pub(crate) fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// Counts one more.
    pub(crate) fn add(&mut self, what: &dyn fmt::Display) {
        if self.count == 0 {
            self.first = what.to_string();
        }
        self.count += 1;
    }

    /// Counts a file that no stream carries.
    pub(crate) fn add_special(&mut self, what: &CannotBeSent<'_>) {
        self.add(what);
        self.special += 1;
    }

    /// True if everything is in the stream.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// True if everything that a stream can carry is in it.
    pub(crate) fn is_only_special(&self) -> bool {
        self.count == self.special
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 | 1 => f.write_str(&self.first),
            count => write!(f, "{} (and {} more like this)", self.first, count - 1),
        }
    }
}

/// A file that no stream carries.
pub(crate) struct CannotBeSent<'a>(pub(crate) &'a [u8], pub(crate) Special);

impl fmt::Display for CannotBeSent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(path, kind) = self;
        write!(
            f,
            "{} is {kind}, which cannot be copied: left out",
            name(path)
        )
    }
}

/// Something that the receiver would refuse.
pub(crate) struct Refused<'a>(pub(crate) &'a [u8], pub(crate) Refusal);

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(path, refusal) = self;
        write!(f, "{} would be refused ({refusal}): left out", name(path))
    }
}

/// A file that has landed, and is another by now.
pub(crate) struct ChangedSince<'a>(pub(crate) &'a [u8]);

impl fmt::Display for ChangedSince<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} has changed since it was copied: left out; copy it under another name with --as",
            name(self.0)
        )
    }
}

/// A file that was written to while it was sent.
pub(crate) struct Changed<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Changed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} changed while it was copied: the copy there may be inconsistent, the one here \
             is correct",
            name(self.0)
        )
    }
}
