//! The client of qubes.OpenInVM as qrexec's local program: stdin and stdout are the service's.
//!
//! It never learns how the service ended. An answer in a frame says itself whether it is whole; any
//! other is taken as complete, and the content before is kept as a backup.

use std::process::ExitCode;

use crate::{Ended, Original, Outcome, Reason, converse, finish};
use anyhow::{Context, Result, anyhow};
use program::command_line;
use program::interrupt::{Interrupt, exit_status};
use program::say::say;
use qrexec::channel::{Sink, Source};

use crate::args::Args;

/// Does all the work of the program; the exit status is the result.
pub fn run() -> ExitCode {
    let args: Args = match command_line::parse() {
        Ok(args) => args,
        Err(status) => return status,
    };
    program::log::to_stderr();
    open(&args).unwrap_or_else(|error| {
        say(format_args!("qopen-in-vm: {error:#}"));
        ExitCode::FAILURE
    })
}

fn open(args: &Args) -> Result<ExitCode> {
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
        signal = interrupt.caught() => {
            say("qopen-in-vm: interrupted; the file was not replaced");
            say(format_args!("qopen-in-vm: {}", Reason::MAY_BE_OPEN));
            return Ok(ExitCode::from(exit_status(signal)));
        }
    };
    if let Some(remark) = conversation.start_up_text("the other qube") {
        say(format_args!("qopen-in-vm: {remark}"));
    }
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
