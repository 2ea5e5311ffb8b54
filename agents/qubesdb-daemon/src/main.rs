//! Keeps the QubesDB of a qube.

use std::process::ExitCode;

fn main() -> ExitCode {
    qubesdb_daemon::main()
}
