//! The server of qubes.OpenInVM.

use std::process::ExitCode;

fn main() -> ExitCode {
    vm_file_editor::run()
}
