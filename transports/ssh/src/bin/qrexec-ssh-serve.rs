//! Answers a call that came over OpenSSH: the forced command of a key.

use std::process::ExitCode;

fn main() -> ExitCode {
    qrexec_ssh::serve()
}
