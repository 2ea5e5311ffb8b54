//! What the user wants to become of an edit that is whole.

use std::fmt;
use std::fs::File;

/// What is asked before an edit replaces the original: the content before, and the content now. What
/// comes back, if anything, is why the edit must not replace it.
pub type Approve<'a> = &'a dyn Fn(&File, &File) -> Result<(), String>;

/// What the user wants to become of an edit.
#[derive(Clone, Copy, Default)]
pub struct Choice<'a> {
    /// The previous content is always kept.
    pub backup: bool,
    /// Asks whether the edit may replace the original.
    pub approve: Option<Approve<'a>>,
}

impl fmt::Debug for Choice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choice")
            .field("backup", &self.backup)
            .field("asks", &self.approve.is_some())
            .finish()
    }
}
