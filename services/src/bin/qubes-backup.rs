//! The service qubes.Backup.

use std::process::ExitCode;

use program::command_line;
use services::args::Backup;
use services::{backup, report};

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(Backup {}) => report::end("qubes-backup", backup::serve()),
        Err(status) => status,
    }
}
