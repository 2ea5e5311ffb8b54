//! The service qubes.Restore.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use services::args::Restore;
use services::restore;

const NAME: &str = "qubes-restore";

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(Restore {}) => {
            let sent = restore::serve().map(|sent| sent.tell(NAME));
            end(NAME, sent.map_err(Into::into))
        }
        Err(status) => status,
    }
}
