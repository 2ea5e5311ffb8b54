//! What was asked for and is not in the stream as it should be.

use std::fmt;

use qfile_proto::display::own;
use qfile_walk::Special;

/// How much of that there is.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    count: u64,
    /// The first of them, in words.
    first: String,
}

impl LeftOut {
    /// Counts one more.
    pub(crate) fn add(&mut self, what: &dyn fmt::Display) {
        if self.count == 0 {
            self.first = what.to_string();
        }
        self.count += 1;
    }

    /// True if everything is in the stream.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
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
            "\"{}\" is {kind}, which cannot be copied: left out",
            own(path)
        )
    }
}

/// A file that was written to while it was sent.
pub(crate) struct Changed<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Changed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" changed while it was copied: what arrived may be neither the old nor the new",
            own(self.0)
        )
    }
}
