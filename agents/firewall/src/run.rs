//! From the command line to the part of the program that it asks for.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;

use crate::args::Args;
use crate::{agent, check, legacy, notices, resolver};

/// Runs the program; its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let args = match command_line::parse::<Args>() {
        Ok(args) => args,
        Err(status) => return status,
    };
    let ended = match &args {
        Args { resolver: true, .. } => resolver::supervise(),
        Args {
            resolver_worker: true,
            ..
        } => resolver::work(),
        Args { notices: true, .. } => notices::show_all(),
        Args { legacy: true, .. } => legacy::run(),
        Args {
            check: Some(file), ..
        } => check::check(file, args.address),
        _ => agent::run(),
    };
    end("qubes-firewall", ended)
}
