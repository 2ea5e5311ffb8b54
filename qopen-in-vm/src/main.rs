//! The client of qubes.OpenInVM as qrexec's local program: stdin and stdout are the service's.
//!
//! It never learns how the service ended, so what comes is taken as complete, and the content
//! before is kept as a backup. `qvm-open-in-vm`, which does learn it, is the better choice.

mod args;

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use qopen_client::{Ended, Original, Outcome, converse, finish};
use qvm_common::channel::{Sink, Source};
use qvm_common::command_line;
use qvm_common::interrupt::{Interrupt, exit_status};
use qvm_common::say::say;

use crate::args::Args;

fn main() -> ExitCode {
    let args: Args = match command_line::parse() {
        Ok(args) => args,
        Err(status) => return status,
    };
    qvm_common::log::to_stderr();
    run(&args).unwrap_or_else(|error| {
        say(format_args!("qopen-in-vm: {error:#}"));
        ExitCode::FAILURE
    })
}

fn run(args: &Args) -> Result<ExitCode> {
    let original = Original::open(&args.file)
        .map_err(|error| anyhow!("{error}\nqopen-in-vm: {}", error.advice()))?;
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot start")?
        .block_on(edit(args, &original))
}

async fn edit(args: &Args, original: &Original) -> Result<ExitCode> {
    let mut interrupt = Interrupt::catch().context("cannot catch signals")?;
    let to = Sink::stdout().context("cannot use stdout")?;
    let from = Source::stdin().context("cannot use stdin")?;
    let conversation = tokio::select! {
        conversation = converse(original, args.limit(), to, from) => conversation,
        signal = interrupt.caught() => return Ok(ExitCode::from(exit_status(signal))),
    };
    let outcome = finish(original, conversation, Ended::Unknown);
    Ok(tell(&outcome, args))
}

fn tell(outcome: &Outcome, args: &Args) -> ExitCode {
    for message in outcome.messages(&args.file) {
        say(format_args!("qopen-in-vm: {message}"));
    }
    if outcome.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
