//! The end-to-end tests, a module a topic. `cargo test --test e2e receiver::names` runs one of them.
//!
//! A new topic is a file in the folder of its group, and stands twice in the group's own file: as
//! `mod`, and in the list of its `topics!`. A topic that is not listed is dead code, which the
//! compiler reports.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod advice;
mod applications;
mod attack;
mod backup;
mod copy;
mod device;
mod documents;
mod exit_status;
mod firewall;
mod gui;
mod help;
mod inherited;
mod loopback;
mod move_;
mod names;
mod network;
mod open;
mod pictures;
mod qubesdb;
mod readme;
mod receiver;
mod sender;
mod services;
mod ssh;
mod system;

use std::process::ExitCode;

use qfile_tests::cannot_run;

qfile_tests::topics! {
    advice,
    applications,
    attack,
    backup,
    copy,
    device,
    documents,
    exit_status,
    firewall,
    gui,
    help,
    inherited,
    loopback,
    move_,
    names,
    network,
    open,
    pictures,
    qubesdb,
    readme,
    receiver,
    sender,
    services,
    ssh,
    system,
}

fn main() -> ExitCode {
    cannot_run::run(tests())
}
