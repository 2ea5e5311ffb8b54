//! Copies files and folders to another qube, or moves them; also installed as `qvm-copy-to-vm`,
//! `qvm-move` and `qvm-move-to-vm`, and told apart by the name that it is called by.

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::copy::main()
}
