//! Reads and writes QubesDB; the name that it is called by says what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    qubesdb_cmd::main()
}
