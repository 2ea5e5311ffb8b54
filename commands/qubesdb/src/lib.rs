//! The commands of QubesDB.
//!
//! One program under several names: what follows the last `-` of the name is the command. [`args`] has
//! the command lines, `commands` what each does, `print` how values are shown.

pub mod args;
mod commands;
mod print;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use program::command_line::say_lines;
use program::failure::{end, pass_on};

use crate::args::{Action, Parsed};

/// Runs the command; its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = env::args_os();
    let name = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    match args::parse(&name, &words) {
        Parsed::Run(typed) => {
            let ended = match typed.action {
                Action::ReadBool => commands::read_bool(&typed),
                _ => commands::run(&typed).and_then(pass_on),
            };
            end(typed.action.name(), ended)
        }
        Parsed::Say { text, status } => {
            say_lines(&text);
            end("", pass_on(status))
        }
    }
}
