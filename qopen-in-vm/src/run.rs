//! The client of qubes.OpenInVM as qrexec's local program: stdin and stdout are the service's.
//!
//! It never learns how the service ended. An answer in a frame says itself whether it is whole; any
//! other is taken as complete, and the content before is kept as a backup.

use std::process::ExitCode;

use program::command_line;
use program::failure::{Failure, end};
use program::interrupt::{Interrupt, exit_status};
use program::say::say;
use qrexec::channel::{Sink, Source};

use crate::args::Args;
use crate::{Ended, MAY_BE_OPEN, Original, converse, finish};

const NAME: &str = "qopen-in-vm";

/// Does all the work of the program; the exit status is the result.
pub fn run() -> ExitCode {
    let args: Args = match command_line::parse() {
        Ok(args) => args,
        Err(status) => return status,
    };
    program::log::to_stderr(NAME);
    end(NAME, open(&args))
}

fn open(args: &Args) -> Result<(), Failure> {
    let original = Original::open(&args.file)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(Failure::of("cannot start"))?
        .block_on(edit(args, &original))
}

async fn edit(args: &Args, original: &Original) -> Result<(), Failure> {
    let mut interrupt = Interrupt::catch().map_err(Failure::of("cannot catch signals"))?;
    let to = Sink::stdout().map_err(Failure::of("cannot use stdout"))?;
    let from = Source::stdin().map_err(Failure::of("cannot use stdin"))?;
    let conversation = tokio::select! {
        conversation = converse(original, args.limit(), to, from) => conversation,
        signal = interrupt.caught() => {
            return Err(Failure::new(args.limit().interrupted())
                .advise(MAY_BE_OPEN)
                .with_status(exit_status(signal)));
        }
    };
    if let Some(remark) = conversation.start_up_text("the other qube") {
        say(format_args!("{NAME}: {remark}"));
    }
    let outcome = finish(original, conversation, Ended::Unknown);
    for remark in outcome.told(&args.file, args.limit())? {
        say(format_args!("{NAME}: {remark}"));
    }
    Ok(())
}
