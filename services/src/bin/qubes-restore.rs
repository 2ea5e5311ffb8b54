//! The service qubes.Restore.

use std::process::ExitCode;

use program::command_line;
use services::args::Restore;
use services::{report, restore};

const NAME: &str = "qubes-restore";

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(Restore {}) => report::end(NAME, restore::serve().map(|sent| report::tell(NAME, &sent))),
        Err(status) => status,
    }
}
