//! Starts an installed application, as the menu does.

use std::process::ExitCode;

use program::command_line;
use services::start_app::{self, DesktopRun};

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(DesktopRun { name }) => start_app::run(&name),
        Err(status) => status,
    }
}
