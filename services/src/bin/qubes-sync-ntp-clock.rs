//! The service qubes.SyncNtpClock.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use services::clock::args::SyncNtpClock;
use services::clock::ntp;

fn main() -> ExitCode {
    match command_line::parse::<SyncNtpClock>() {
        Ok(args) => end(ntp::NAME, ntp::serve(&args)),
        Err(status) => status,
    }
}
