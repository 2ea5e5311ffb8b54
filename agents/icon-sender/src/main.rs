//! Sends the icons of windows to dom0.

use std::process::ExitCode;

fn main() -> ExitCode {
    icon_sender::main()
}
