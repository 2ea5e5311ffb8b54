//! From the command line to the exit status.

use std::process::ExitCode;

use program::command_line;
use program::failure::{Failure, end_with};
use program::interrupt::Interrupt;

use crate::args::Args;
use crate::settings::Settings;
use crate::telling::tell;

/// Our name, in front of what we say.
pub(crate) const NAME: &str = "vm-file-editor";

/// Does all the work of the program; the exit status is the result.
pub fn run() -> ExitCode {
    if let Err(status) = command_line::parse::<Args>() {
        return status;
    }
    program::log::to_stderr(NAME);
    end_with(NAME, serve(), |lines| tell(lines))
}

fn serve() -> Result<(), Failure> {
    let settings = Settings::from_environment()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::of("cannot start"))?;
    runtime.block_on(async {
        let mut interrupt = Interrupt::catch().map_err(Failure::of("cannot catch signals"))?;
        crate::session::serve(&settings, &mut interrupt).await
    })
}
