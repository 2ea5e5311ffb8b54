//! Sends files and folders to another qube as a qfile stream.

use std::process::ExitCode;

fn main() -> ExitCode {
    qfile_agent::run()
}
