//! The receiver of the qfile protocol: set-uid root, it takes a hostile stream and puts files into
//! the incoming folder of one user.
//!
//! [`run()`] is the whole story. What is on the command line is public too, for the manual page.

mod args;
mod environment;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod identity;
mod incoming;
mod jail;
mod options;
mod outcome;
mod place;
mod process;
mod profile;
mod receive;
mod reply;
mod run;
mod say;
mod settings;
mod starter;
pub mod usage;

pub use run::run;
