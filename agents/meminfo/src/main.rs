//! Reports to dom0 how much memory this qube uses.

use std::process::ExitCode;

fn main() -> ExitCode {
    meminfo_writer::main()
}
