//! The command lines of programs whose stdout belongs to a protocol.

use std::process::ExitCode;

use clap::Parser;
use qfile_proto::display::own;

use crate::say::say;

/// The exit status for a command line that is wrong.
const USAGE: u8 = 2;

/// Reads the command line of this process. What `clap` has to say goes to stderr, help and version
/// too.
///
/// # Errors
/// The status to end with at once: help was asked for, or the command line is wrong.
pub fn parse<A: Parser>() -> Result<A, ExitCode> {
    A::try_parse().map_err(|error| {
        // It repeats what was typed, and file names may have been typed for the user.
        for line in error.render().to_string().trim_end().lines() {
            say(own(line.as_bytes()));
        }
        ExitCode::from(if error.use_stderr() { USAGE } else { 0 })
    })
}
