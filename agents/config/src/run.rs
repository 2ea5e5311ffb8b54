//! From the command line to the end.

use std::process::ExitCode;
use std::time::Duration;

use program::command_line;
use program::failure::{Failure, end};
use program::systemd::{READY, Systemd};
use rustix::fs::Mode;
use rustix::process::umask;

use crate::apply::{Parts, apply, say_line, say_seed, take_seed, was_applied};
use crate::args::{Apply, Args, Command};
use crate::database::Database;
use crate::{seed, watch};

/// Runs the program; its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let args = match command_line::parse::<Args>() {
        Ok(args) => args,
        Err(status) => return status,
    };
    let Command::Apply(wishes) = args.command;
    end("qubes-config", run(&wishes))
}

fn run(wishes: &Apply) -> Result<(), Failure> {
    // Every file that is made here is for everybody to read.
    umask(Mode::WGRP | Mode::WOTH);
    let parts = Parts {
        names: !wishes.without_names,
        seed: !wishes.without_seed,
    };
    let is_first = !was_applied();
    let mut database = Database::wait_for(Duration::from_secs(wishes.wait))?;
    if wishes.watch {
        watch::begin(&mut database)?;
        // A step that failed was said. The next change, of this key or another, is applied all the
        // same, and whoever waits for this program waits for it to watch.
        let known = apply(&mut database, parts)?.services;
        if let Some(systemd) = Systemd::from_environment() {
            systemd
                .tell(READY)
                .map_err(Failure::of("cannot tell systemd that all keys are applied"))?;
        }
        return watch::go_on(&mut database, known, parts);
    }
    // The seed comes last: nothing else waits for it.
    let others = Parts {
        seed: false,
        ..parts
    };
    let applied = apply(&mut database, others)?;
    match parts.seed && is_first {
        true => match seed::wait_for(&mut database, Duration::from_secs(wishes.seed_wait))? {
            true => say_seed(),
            false => say_line("dom0 gave no random seed"),
        },
        // Later on it was used already, and nobody gives another.
        false if parts.seed => take_seed(&mut database)?,
        false => {}
    }
    applied.end()
}
