//! The services qubes.SuspendPre, qubes.SuspendPost, qubes.SuspendPreAll and qubes.SuspendPostAll.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use services::sleep;
use services::sleep::args::Suspend;

fn main() -> ExitCode {
    match command_line::parse::<Suspend>() {
        Ok(args) => end(sleep::NAME, sleep::serve(&args)),
        Err(status) => status,
    }
}
