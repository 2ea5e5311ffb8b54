//! Tells dom0 what this qube can do.

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::features_request::main()
}
