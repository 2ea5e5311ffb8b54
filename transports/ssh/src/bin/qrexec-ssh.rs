//! Calls a service of another machine over OpenSSH, like qrexec-client-vm.

use std::process::ExitCode;

fn main() -> ExitCode {
    qrexec_ssh::client()
}
