//! Writes files and folders to a block device that has no file system.

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::device::send::main()
}
