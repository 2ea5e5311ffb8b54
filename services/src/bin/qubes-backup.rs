//! The service qubes.Backup.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use services::args::Backup;
use services::backup;

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(Backup {}) => end("qubes-backup", backup::serve().map_err(Into::into)),
        Err(status) => status,
    }
}
