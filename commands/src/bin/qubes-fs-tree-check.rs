//! Tells whether files and folders can be copied to another qube, and how many bytes they are.

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::tree_check::main()
}
