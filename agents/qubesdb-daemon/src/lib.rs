//! The QubesDB daemon.
//!
//! [`core`](Core) is everything that it decides, without a descriptor or a clock: it holds the
//! `store`, the `watches`, what each client has sent (`incoming`) and gets (`outgoing`), and what it
//! tells the other daemon (`peer`). `server` is the one event loop around it, `files` are the sockets
//! and the pid file, `ready` is how a daemon starts, [`args`] its command line.

pub mod args;
mod confine;
mod core;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod incoming;
mod limits;
mod log;
#[cfg(test)]
mod model;
mod outgoing;
mod peer;
mod ready;
mod run;
mod server;
mod store;
mod watches;

pub use crate::core::{Access, ClientId, Core};
pub use crate::limits::Limits;
pub use crate::peer::Role;
pub use crate::run::main;
