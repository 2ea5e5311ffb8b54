//! The service qubes.DetachPciDevice.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use services::sleep::args::DetachPciDevice;
use services::sleep::detach;

fn main() -> ExitCode {
    match command_line::parse::<DetachPciDevice>() {
        Ok(args) => end(detach::NAME, detach::serve(&args)),
        Err(status) => status,
    }
}
