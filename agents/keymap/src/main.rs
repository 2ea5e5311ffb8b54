//! Sets the keyboard layout that dom0 wants.

use std::process::ExitCode;

fn main() -> ExitCode {
    qubes_keymap::main()
}
