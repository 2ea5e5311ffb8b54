//! The state of a file, and what programs do with descriptors and names of files.
//!
//! - [`FileId`]: which file it is. [`State`]: whether it has changed. [`Stat`]: all that is known.
//! - [`open_regular`] opens a regular file and nothing else.
//! - [`rename_new`] renames and never replaces.
//! - [`replace()`] puts a whole file in the place of another; [`is_protected`] says which ones stay.
//! - [`split_last`] cuts the last component off a path.

mod open;
mod path;
mod rename;
mod replace;
mod state;

pub use open::{NotOpened, OnLink, open_regular};
pub use path::{last_component, split_last};
pub use rename::{Fallback, is_unsupported, rename_new};
pub use replace::{
    Lock, holds, is_protected, read_small, read_small_of, remove, replace, replace_with_link,
};
pub use state::{FileId, Stat, State, Time};

/// Bytes of a file that are read, and passed on, at once: what Linux reads ahead by default
/// (`read_ahead_kb`), and a power of two of its pages. Half of it doubles the system calls; more
/// gains little and takes memory.
pub const CHUNK_LEN: usize = 128 * 1024;
