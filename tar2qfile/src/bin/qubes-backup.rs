//! The service qubes.Backup.

use std::process::ExitCode;

use qvm_common::command_line;
use tar2qfile::args::Backup;
use tar2qfile::{backup, report};

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(Backup {}) => report::end("qubes-backup", backup::serve()),
        Err(status) => status,
    }
}
