//! Keeps the firewall rules of the qubes behind this one.

use std::process::ExitCode;

fn main() -> ExitCode {
    qubes_firewall::main()
}
