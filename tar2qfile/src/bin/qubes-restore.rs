//! The service qubes.Restore.

use std::process::ExitCode;

use qvm_common::command_line;
use tar2qfile::args::Restore;
use tar2qfile::{report, restore};

const NAME: &str = "qubes-restore";

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(Restore {}) => report::end(NAME, restore::serve().map(|sent| report::tell(NAME, &sent))),
        Err(status) => status,
    }
}
