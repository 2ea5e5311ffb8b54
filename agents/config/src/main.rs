//! Makes of the keys of QubesDB what the programs of a qube look for.

use std::process::ExitCode;

fn main() -> ExitCode {
    qubes_config::main()
}
