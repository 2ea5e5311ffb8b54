//! The services qubes.SelectFile and qubes.SelectDirectory.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use services::select_file;
use services::select_file::args::SelectFile;

fn main() -> ExitCode {
    match command_line::parse::<SelectFile>() {
        Ok(args) => end(select_file::NAME, select_file::serve(&args)),
        Err(status) => status,
    }
}
