//! The commands people type.
//!
//! `qvm-copy` in the order of its work: [`args`] says what was asked for, [`survey`] finds what the
//! target qube would refuse, [`service`] decides what to call, [`client`] calls it and waits while
//! [`window`] shows the progress on a bar, and [`judge`] decides what became of it. [`report`] puts a
//! survey into words, [`ending`] is how a command ends. [`copy`] tells the story; [`tree_check`] is
//! the survey alone. `qvm-move` is the same, and then [`remove`] deletes what was confirmed. `journal`
//! keeps what a call that stopped has left to do, and `going_on` is `--continue`.
//! `several` sends to one target after the other, `standard_input` reads the file `-`, `json` is what
//! scripts read, and [`deadline`] is `--timeout`: what may never
//! end is left behind by `in_time`.
//!
//! [`open`] is `qvm-open-in-vm` and `qvm-open-in-dvm`. [`run`] is `qvm-run-vm`,
//! [`features_request`] is `qvm-features-request`. [`device`] is `qvm-copy-to-device`,
//! `qvm-copy-from-device` and `qvm-device-status`.

pub mod args;
mod bar;
pub mod client;
pub mod copy;
pub mod deadline;
pub mod device;
pub mod ending;
pub mod features_request;
mod going_on;
mod in_time;
mod journal;
mod json;
pub mod judge;
pub mod open;
pub mod remove;
pub mod report;
pub mod run;
pub mod service;
mod several;
mod standard_input;
pub mod survey;
pub mod tree_check;
pub mod window;

#[cfg(test)]
mod catalogue;
