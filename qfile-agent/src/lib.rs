//! Sends files and folders to another qube as a qfile stream.
//!
//! The data runs one way: `args` says what is asked for, the crate `walk` finds it, `source`
//! reads a file's content, `send` puts the stream together, and the crate `transfer` writes it to
//! stdout and stops as soon as it hears from the receiver on stdin; `progress` shows how far it has
//! come, `entries` tells of each entry, `left_out` what is missing, `manifest` keeps what was sent for
//! `qvm-move`, `journal` what has landed of a copy that stops, `error` is why it fails, and `report`
//! says how it ended. `beginning` is what each line on stderr begins with.
//!
//! `cancel` waits for what ends a copy early. An interrupted sender leaves nothing behind, and the
//! receiver sees the stream end early.

mod args;
mod beginning;
mod cancel;
mod entries;
mod error;
mod journal;
mod left_out;
mod manifest;
mod progress;
mod report;
mod run;
mod send;
mod source;

pub use args::Args;
pub use run::run;
