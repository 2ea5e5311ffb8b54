//! Publishes the block devices of this qube.

use std::process::ExitCode;

fn main() -> ExitCode {
    qubes_devices::main_of_block()
}
