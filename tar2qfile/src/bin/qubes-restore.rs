//! The service qubes.Restore.

use std::process::ExitCode;

use tar2qfile::args::{Restore, parse};
use tar2qfile::{report, restore};

const NAME: &str = "qubes-restore";

fn main() -> ExitCode {
    match parse() {
        Ok(Restore {}) => report::end(NAME, restore::serve().map(|sent| report::tell(NAME, &sent))),
        Err(status) => status,
    }
}
