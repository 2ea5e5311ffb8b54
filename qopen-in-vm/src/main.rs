//! The client of qubes.OpenInVM as qrexec's local program.

use std::process::ExitCode;

fn main() -> ExitCode {
    qopen_in_vm::run()
}
