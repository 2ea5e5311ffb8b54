//! Opens a file or an address in another qube.

use std::process::ExitCode;

use commands::open::{Command, main_of};

fn main() -> ExitCode {
    main_of(Command::OpenInVm)
}
