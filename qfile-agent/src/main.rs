//! Sends files and folders to another qube as a qfile stream.
//!
//! The data runs one way: `args` says what is asked for, the crate `qfile-walk` finds it, `source`
//! reads a file's content, `send` puts the stream together, and the crate `qfile-sender` writes it to
//! stdout and stops as soon as it hears from the receiver on stdin; `progress` shows how far it has
//! come, `left_out` what is missing, `manifest` keeps what was sent for `qvm-move`, and `report` says how
//! it ended.
//!
//! No signal is handled. An interrupted sender leaves nothing behind, the receiver sees the stream
//! end early, and the status 128 + N is what shells and `qvm-copy` expect of an interrupted program;
//! status 32 is for the Cancel button, which is no signal.

mod args;
mod left_out;
mod manifest;
mod progress;
mod report;
mod send;
mod source;

use std::process::ExitCode;

use qfile_sender::verdict::{self, Receiver};
use qfile_sender::{Failure as Sending, Output};
use qfile_walk::Arguments;
use qvm_common::command_line;

use crate::args::Args;
use crate::left_out::LeftOut;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::report::{Failure, Report};
use crate::send::Sender;

fn main() -> ExitCode {
    let args: Args = match command_line::parse() {
        Ok(args) => args,
        Err(status) => return status,
    };
    let mut progress = Progress::from_environment();
    let copied = copy(&args, &mut progress);
    progress.finish(copied.is_ok());
    let report = Report::new(copied);
    report.deliver(args.result_fd, progress.is_gui());
    ExitCode::from(report.outcome.status())
}

/// The whole of a copy: what was left out of it, or why it failed.
fn copy(args: &Args, progress: &mut Progress) -> Result<LeftOut, Failure> {
    let arguments = Arguments::new(args.paths.iter().cloned())?;
    let mut manifest = args.manifest.map(Manifest::new).transpose()?;
    let receiver = Receiver::new(progress.window());
    let sender = Sender::new(Output::new(&receiver), progress, manifest.as_mut());
    match sender.send(arguments.walk(args.links())) {
        Ok(stream) => {
            let verdict = receiver.verdict(args.verdict_timeout())?;
            verdict::confirm(verdict, stream.checksum)?;
            manifest.map_or(Ok(()), Manifest::deliver)?;
            Ok(stream.left_out)
        }
        Err(Failure::Sending(Sending::Interrupted)) => {
            let verdict = receiver.verdict(Some(verdict::REST_TIME))?;
            Err(verdict::refusal(verdict).into())
        }
        Err(other) => Err(other),
    }
}
