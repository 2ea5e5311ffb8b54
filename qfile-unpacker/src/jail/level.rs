//! The three levels of isolation, and their names on the command line.

use std::fmt;

/// How the receiver is kept apart from the rest of the qube, the least first. Landlock, seccomp and
/// `openat2` are part of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Landlock, seccomp and `openat2` only.
    Landlock,
    /// Namespaces of its own and a root that is the incoming folder, made in a user namespace.
    UserNamespace,
    /// The same, made with the rights of root.
    Root,
}

impl Level {
    /// The name for `--require-isolation`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Landlock => "landlock",
            Self::UserNamespace => "user-namespace",
            Self::Root => "root",
        }
    }

    /// The level of that name.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
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
