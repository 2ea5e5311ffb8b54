//! The service qubes.StartApp.

use std::process::ExitCode;

use program::command_line;
use services::start_app::{self, StartApp};

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(StartApp { id }) => start_app::serve(&id),
        Err(status) => status,
    }
}
