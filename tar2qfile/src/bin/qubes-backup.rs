//! The service qubes.Backup.

use std::process::ExitCode;

use tar2qfile::args::{Backup, parse};
use tar2qfile::{backup, report};

fn main() -> ExitCode {
    match parse() {
        Ok(Backup {}) => report::end("qubes-backup", backup::serve()),
        Err(status) => status,
    }
}
