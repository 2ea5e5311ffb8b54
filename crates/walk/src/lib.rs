//! Walks files and folders by descriptor, for senders of qfile streams.
//!
//! [`Arguments`] judges what was asked for on a command line; [`Walk`] goes through it depth first
//! and hands out one [`Found`] after the other. Every folder is opened relative to the descriptor of
//! the one it stands in and never through a link, so a folder that is swapped for a link while the
//! walk is under way is an error, not a way to somewhere else. Nothing is looked up by path again.
//!
//! Memory grows with the depth of a tree, not with its size, and the depth is bounded by the longest
//! name that the format carries: neither by `PATH_MAX` nor by the limit on open files.
//!
//! ```no_run
//! use walk::{Arguments, Links, What};
//!
//! let arguments = Arguments::new(std::env::args_os().skip(1))?;
//! let mut walk = arguments.walk(Links::Send);
//! let mut bytes = 0;
//! while let Some(entry) = walk.next() {
//!     if let What::File(file) = entry?.what {
//!         bytes += file.stat()?.state.size;
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arguments;
mod error;
mod exclude;
mod found;
mod length;
mod level;
mod refusal;
mod walk;

pub use arguments::{ArgumentError, Arguments, open_folder};
pub use error::{Reason, WalkError};
pub use exclude::{BadPattern, Exclude};
pub use found::{Found, FoundFile, FoundSymlink, Special, What};
pub use length::has_no_true_length;
pub use refusal::{ByName, NameFilter, Refusal, refusal_of_link, refusal_of_name};
pub use walk::{Excluded, Links, Walk};
