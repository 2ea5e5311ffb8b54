//! The applications of a qube, as their desktop files describe them.
//!
//! [`folders`] says where desktop files are, [`find`] which file an application ID stands for,
//! [`entry`] reads one, [`locale`] chooses between its languages, and [`exec`] makes the command
//! line of its key `Exec`. The rules are those of the freedesktop.org specifications *Desktop
//! Entry*, *Desktop Menu* (desktop file IDs) and *Base Directory*; where these leave something
//! open, the rules of GIO, by which most desktops start applications.
//!
//! Of the crate `freedesktop-desktop-entry` (0.8) this uses nothing. It refuses a whole file for one
//! line that is none or is not UTF-8, and reads a FIFO until somebody writes to it. It enters
//! folders behind links. It takes a field code for one only as a whole word, and gives `%i`
//! without `--icon`. Its licence is the MPL.

pub mod entry;
pub mod exec;
pub mod find;
pub mod folders;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod locale;
pub mod programs;

pub use entry::{Entry, Unusable};
pub use find::{Applications, Problem, Resolved, Wanted};
