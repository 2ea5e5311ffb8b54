//! Receives what is on a block device that has no file system.

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::device::receive::main()
}
