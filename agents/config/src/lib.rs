//! The keys of QubesDB that the programs of a qube know as files, and its names.
//!
//! `keys` judges what comes from QubesDB. `services` decides which services are on, and `folder`
//! shows them as files; `marks` are the files that say what kind of qube this is; `host` and `zone`
//! are its name and its time zone. `apply` does it all once, `watch` keeps it so.

mod apply;
pub mod args;
mod database;
mod folder;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod host;
mod keys;
mod marks;
mod run;
mod seed;
mod services;
mod watch;
mod zone;

pub use run::main;
