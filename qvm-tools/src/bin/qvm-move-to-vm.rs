//! `qvm-move` under its other name, which makes the difference.

use std::process::ExitCode;

fn main() -> ExitCode {
    qvm_tools::copy::main()
}
