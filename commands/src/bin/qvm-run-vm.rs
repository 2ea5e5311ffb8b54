//! Runs a command in another qube.

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run::main()
}
