//! What surrounds the receiver in the service qubes.Filecopy.

use std::process::ExitCode;

use program::{command_line, failure};
use services::args::Filecopy;
use services::filecopy;

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(Filecopy { receiver, .. }) => match receiver.split_first() {
            Some((program, options)) => {
                let failure = filecopy::start(program.as_ref(), options);
                failure::end("qubes-filecopy", Err(failure))
            }
            None => {
                filecopy::after_copy();
                ExitCode::SUCCESS
            }
        },
        Err(status) => status,
    }
}
