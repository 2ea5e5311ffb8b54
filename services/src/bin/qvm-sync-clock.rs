//! Asks dom0 for the time, and sets the clock to it.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use services::clock::args::AskForTime;
use services::clock::ask;

fn main() -> ExitCode {
    match command_line::parse::<AskForTime>() {
        Ok(args) => end(ask::NAME, ask::run(&args)),
        Err(status) => status,
    }
}
