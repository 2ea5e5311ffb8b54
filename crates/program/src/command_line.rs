//! The command lines of programs whose stdout belongs to a protocol.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use text::own;

use crate::say::say;

/// The exit status of a command line that is wrong.
pub const WRONG_USAGE: u8 = 2;

/// Reads the command line of this process. What `clap` has to say goes to stderr, help and version
/// too.
///
/// # Errors
/// The status to end with at once: help was asked for, or the command line is wrong.
pub fn parse<A: Parser>() -> Result<A, ExitCode> {
    parse_from(env::args_os())
}

/// Reads a command line, the name of the program first, as [`parse`] does.
///
/// # Errors
/// As [`parse`].
pub fn parse_from<A: Parser>(line: impl IntoIterator<Item = OsString>) -> Result<A, ExitCode> {
    A::try_parse_from(line).map_err(|error| {
        say_lines(&error.render().to_string());
        match error.use_stderr() {
            true => ExitCode::from(WRONG_USAGE),
            false => ExitCode::SUCCESS,
        }
    })
}

/// The value of an option that is a size: see [`quantity::size`].
///
/// # Errors
/// What a size looks like.
pub fn size(typed: &str) -> Result<u64, String> {
    quantity::size(typed.as_bytes()).ok_or_else(|| format!("give {}", quantity::SIZE_FORM))
}

/// The value of an option that is a time: see [`quantity::time`].
///
/// # Errors
/// What a time looks like.
pub fn time(typed: &str) -> Result<Duration, String> {
    quantity::time(typed.as_bytes()).ok_or_else(|| format!("give {}", quantity::TIME_FORM))
}

/// Says what is to be said of a command line, on stderr. It repeats what was typed, and file names may
/// have been typed for the user.
pub fn say_lines(text: &str) {
    for line in text.trim_end().lines() {
        say(own(line.as_bytes()));
    }
}
