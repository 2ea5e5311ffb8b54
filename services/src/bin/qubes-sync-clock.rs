//! Sets the clock to the time on stdin: the service qubes.SetDateTime.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use services::clock::args::SyncClock;
use services::clock::sync;

fn main() -> ExitCode {
    match command_line::parse::<SyncClock>() {
        Ok(args) => end(sync::NAME, sync::serve(&args)),
        Err(status) => status,
    }
}
