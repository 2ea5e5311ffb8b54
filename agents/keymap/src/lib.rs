//! Sets the keyboard layout that dom0 wants, on the displays of this user, for as long as the session
//! lasts.
//!
//! `layout` reads the value of the key, `displays` finds the X servers, `set` starts setxkbmap, `watch`
//! hears of changes, and `tell` shows the user what failed.

pub mod args;
mod displays;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod layout;
mod run;
mod set;
mod tell;
mod watch;

pub use run::main;
