//! Receives a qfile stream into ~/QubesIncoming, confined.

use std::process::ExitCode;

fn main() -> ExitCode {
    qfile_unpacker::run(std::env::args_os().skip(1))
}
