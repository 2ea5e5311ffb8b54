//! From the command line to the exit status.

use std::process::ExitCode;

use anyhow::{Context, Result};
use program::command_line;
use program::interrupt::Interrupt;

use crate::args::Args;
use crate::settings::Settings;
use crate::telling::tell;

/// Does all the work of the program; the exit status is the result.
pub fn run() -> ExitCode {
    if let Err(status) = command_line::parse::<Args>() {
        return status;
    }
    program::log::to_stderr();
    serve().unwrap_or_else(|error| {
        tell(format_args!("vm-file-editor: {error:#}"));
        ExitCode::FAILURE
    })
}

fn serve() -> Result<ExitCode> {
    let settings = Settings::from_environment()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let mut interrupt = Interrupt::catch().context("cannot catch signals")?;
        Ok(crate::session::serve(&settings, &mut interrupt).await?)
    })
}
