//! The service qubes.ResizeDisk.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use services::disk;
use services::disk::args::ResizeDisk;

fn main() -> ExitCode {
    match command_line::parse::<ResizeDisk>() {
        Ok(args) => end(disk::NAME, disk::serve(&args)),
        Err(status) => status,
    }
}
