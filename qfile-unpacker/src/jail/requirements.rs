//! What is required of the jail.

use crate::options::Level;

/// What is required of the jail.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requirements {
    /// The least level to run with.
    pub(crate) level: Option<Level>,
    /// Files that are there must be readable (`--on-conflict skip-identical`).
    pub(crate) read_files: bool,
    /// The program has to be able to sleep (`--wait-for-space`).
    pub(crate) sleep: bool,
}
