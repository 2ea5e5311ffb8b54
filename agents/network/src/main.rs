//! Sets up the network of a qube, as dom0 wrote it to QubesDB.

use std::process::ExitCode;

fn main() -> ExitCode {
    qubes_network::main()
}
