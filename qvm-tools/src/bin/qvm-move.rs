//! Copies files and folders to another qube and deletes what was confirmed; also installed as
//! `qvm-move-to-vm`.

use std::process::ExitCode;

fn main() -> ExitCode {
    qvm_tools::copy::main()
}
