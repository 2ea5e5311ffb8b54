//! From the command line to the end.

use std::path::Path;
use std::process::ExitCode;

use program::command_line;
use program::failure::{Failure, end};
use program::say::say;

use crate::args::Args;
use crate::displays::{self, Display};
use crate::layout::Layout;
use crate::set::Setxkbmap;
use crate::tell::Teller;
use crate::watch::Watch;

/// The name of the program.
pub(crate) const NAME: &str = "qubes-keymap";

/// Runs the program; its exit status.
#[must_use]
pub fn main() -> ExitCode {
    match command_line::parse::<Args>() {
        Ok(args) => end(NAME, work(&args)),
        Err(status) => status,
    }
}

fn work(args: &Args) -> Result<(), Failure> {
    let mut watch = Watch::open()?;
    let teller = Teller::new();
    loop {
        let failures = apply(&mut watch, &args.sockets);
        for Failed { failure, is_seen } in &failures {
            match is_seen {
                true => teller.tell(failure),
                false => say(failure.lines(NAME)),
            }
        }
        if args.once {
            teller.end();
            return match failures.last() {
                Some(failed) => Err(Failure::said(failed.failure.status())),
                None => Ok(()),
            };
        }
        watch.changed()?;
    }
}

/// What failed.
#[derive(Debug)]
struct Failed {
    failure: Failure,
    /// Does it concern what the user sees? Another display of the user, such as one of a test or of a
    /// virtual machine, may not even have a keyboard.
    is_seen: bool,
}

/// Sets what the key holds now, on each display; what failed. One display keeps no other back.
fn apply(watch: &mut Watch, sockets: &Path) -> Vec<Failed> {
    let seen = |failure| Failed {
        failure,
        is_seen: true,
    };
    let prepared = prepare(watch, sockets);
    let (layout, displays, setxkbmap) = match prepared {
        Ok(Some(prepared)) => prepared,
        Ok(None) => return Vec::new(),
        Err(failure) => return vec![seen(failure)],
    };
    let mut failures = Vec::new();
    for Display { name, is_own } in displays {
        match setxkbmap.set(&name, &layout) {
            Ok(()) => say(format_args!("{NAME}: display \"{name}\": {layout}")),
            Err(failure) => failures.push(Failed {
                failure,
                is_seen: is_own,
            }),
        }
    }
    failures
}

/// `None`: there is no layout to set.
fn prepare(
    watch: &mut Watch,
    sockets: &Path,
) -> Result<Option<(Layout, Vec<Display>, Setxkbmap)>, Failure> {
    let Some(untrusted_value) = watch.read()? else {
        return Ok(None);
    };
    let shown = text::foreign(&untrusted_value);
    let cannot = || Failure::new(format_args!("cannot set the keyboard layout \"{shown}\""));
    let layout = Layout::parse(&untrusted_value).map_err(|why| {
        cannot()
            .because(why)
            .advise("the old layout stays; choose another one in dom0")
    })?;
    let displays = displays::of_this_user(sockets)
        .map_err(|error| cannot().because(format_args!("{}: {error}", text::file(sockets))))?;
    if displays.is_empty() {
        let sockets = text::file(sockets);
        return Err(cannot().because(format_args!("this user has no display in {sockets}")));
    }
    Ok(Some((layout, displays, Setxkbmap::find()?)))
}
