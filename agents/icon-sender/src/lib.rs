//! Sends the icons of windows to dom0, which shows them on the windows of this qube.
//!
//! `property` and `hints` judge what a window says about its icon, `icon` is an icon that may be
//! sent, and `server` asks the X server for these things. `windows` remembers whose icon has to be
//! sent. `call` is the connection to dom0, `backoff` says when the next one is tried, and `run` is
//! the loop that waits for all of them.
//!
//! Every window can say what it likes about its icon. Nothing of that is sent before it was judged
//! whole, because a stream that is one byte short is out of step for ever.

pub mod args;
mod backoff;
mod call;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod hints;
mod icon;
mod property;
mod run;
mod server;
mod windows;

pub use run::main;
