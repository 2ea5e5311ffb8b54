//! Copies files and folders to another qube; also installed as `qvm-copy-to-vm`.

use std::process::ExitCode;

fn main() -> ExitCode {
    qvm_tools::copy::main()
}
