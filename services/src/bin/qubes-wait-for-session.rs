//! The service qubes.WaitForSession.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use services::args::WaitForSession;
use services::wait_for_session;

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(WaitForSession {}) => end(wait_for_session::NAME, wait_for_session::serve()),
        Err(status) => status,
    }
}
