//! The server of qubes.OpenInVM: opens a file from another qube, waits until the user has finished
//! with it, and answers with its new content, if it has one.
//!
//! [`session`] tells the story: [`intake`] receives the file into a [`scratch`] folder, [`opener`]
//! starts what shows it, [`wait`] finds out when the user is done (with the help of [`reaper`] and
//! [`processes`]), [`changed`] says whether there is something to send, and [`answer`] sends it.

mod answer;
mod args;
mod changed;
mod failure;
mod intake;
mod notice;
mod opener;
mod processes;
mod reaper;
mod scratch;
mod session;
mod settings;
mod wait;

use std::process::ExitCode;

use anyhow::{Context, Result};
use qvm_common::command_line;
use qvm_common::interrupt::{Interrupt, exit_status};
use qvm_common::say::say;

use crate::args::Args;
use crate::settings::Settings;

fn main() -> ExitCode {
    if let Err(status) = command_line::parse::<Args>() {
        return status;
    }
    qvm_common::log::to_stderr();
    run().unwrap_or_else(|error| {
        say(format_args!("vm-file-editor: {error:#}"));
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode> {
    let settings = Settings::from_environment()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let mut interrupt = Interrupt::catch().context("cannot catch signals")?;
        tokio::select! {
            result = session::serve(&settings) => {
                result?;
                Ok(ExitCode::SUCCESS)
            }
            // What the session holds is cleaned up as it is dropped.
            signal = interrupt.caught() => Ok(ExitCode::from(exit_status(signal))),
        }
    })
}
