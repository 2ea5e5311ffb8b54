//! The whole of a copy, from the command line to the exit status.

use crate::cancel;
use std::fs::File;
use std::io::BufReader;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use program::say::say;
use program::{command_line, inherited};
use transfer::landed::Landed;
use transfer::verdict::{self, Receiver};
use transfer::{Output, SendError, end_stream};
use walk::{Arguments, Exclude};

use crate::args::Args;
use crate::beginning::{self, beginning};
use crate::cancel::LastWord;
use crate::entries::Entries;
use crate::error::Error;
use crate::journal::Journal;
use crate::left_out::LeftOut;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::report::{Arrived, Report};
use crate::send::{Notes, Sender};

/// How long a receiver may take to say how far it came, of a copy that ended here.
const MOMENT: Duration = Duration::from_secs(3);

/// A signal that ends the programs of a call may reach this one after its connection has broken.
const SOON: Duration = Duration::from_millis(200);

/// Does all the work of the program; the exit status is the result.
pub fn run() -> ExitCode {
    let args: Args = match command_line::parse() {
        Ok(args) => args,
        Err(status) => return status,
    };
    if let Some(qube) = &args.name_qube {
        beginning::name(qube);
    }
    let exclude = match args.exclude() {
        Ok(exclude) => exclude,
        Err(error) => {
            let begin = beginning();
            say(format_args!(
                "{begin}: {error}\n{begin}: {}",
                error.advice()
            ));
            return ExitCode::from(command_line::WRONG_USAGE);
        }
    };
    let mut progress = Progress::from_environment();
    let last_word = LastWord::default();
    let cancelled = match cancel::watch(&args, progress.is_gui(), last_word.clone()) {
        Ok(cancelled) => Some(cancelled),
        Err(error) => {
            say(format_args!(
                "{}: a signal will end the copy without a message: {error}",
                beginning()
            ));
            None
        }
    };
    let (copied, arrived) = copy(&args, exclude, &mut progress, cancelled);
    if !last_word.is_mine() {
        // The thread that has it ends the program.
        loop {
            thread::park();
        }
    }
    progress.finish(copied.is_ok());
    let report = Report::new(copied, args.is_called_by_ours()).after(arrived);
    report.deliver(args.result_fd, progress.is_gui())
}

/// The whole of a copy: what was left out of it, or why it failed and what is known to have arrived.
fn copy(
    args: &Args,
    exclude: Option<Exclude>,
    progress: &mut Progress,
    cancelled: Option<OwnedFd>,
) -> (Result<LeftOut, Error>, Arrived) {
    let prepared = match prepare(args, exclude) {
        Ok(prepared) => prepared,
        Err(failure) => return (Err(failure), Arrived::Nothing),
    };
    let (arguments, lists) = prepared;
    let (copied, arrived) = send(args, &arguments, lists, progress, cancelled);
    let copied = copied.map_err(|failure| failure.with_own_name(&arguments, args.links()));
    (copied, arrived)
}

fn send(
    args: &Args,
    arguments: &Arguments,
    lists: Lists,
    progress: &mut Progress,
    cancelled: Option<OwnedFd>,
) -> (Result<LeftOut, Error>, Arrived) {
    let (mut manifest, mut journal, landed, entries) = lists;
    let receiver = Receiver::new(progress.window()).cancelled_by(cancelled);
    let notes = Notes {
        manifest: manifest.as_mut(),
        journal: journal.as_mut(),
        landed,
        entries,
        quiet: args.quiet,
    };
    let mut sender = Sender::new(Output::new(&receiver), progress, notes, args.skip_refused);
    let sent = sender.send(arguments.walk(args.links()));
    let confirmed = sent.and_then(|stream| {
        let verdict = receiver.verdict(args.verdict_timeout())?;
        verdict::confirm(verdict, stream.checksum)?;
        Ok(stream.left_out)
    });
    let failure = match confirmed {
        Ok(left_out) => {
            let delivered = manifest.map_or(Ok(()), Manifest::deliver);
            return (delivered.map(|()| left_out), Arrived::Unknown);
        }
        Err(failure) => why(failure, &receiver),
    };
    let stopped = sender.stopped(&failure);
    let is_nothing = args.landed.is_none()
        && match &failure {
            Error::Sending(SendError::Refused(verdict)) => stopped.is_at_the_first_entry(verdict),
            failure => stopped.first.is_none() && failure.is_of_this_side(),
        };
    let without_a_journal = match is_nothing {
        true => Arrived::Nothing,
        false => Arrived::Unknown,
    };
    let Some(journal) = journal else {
        return (Err(failure), without_a_journal);
    };
    let last_word = match &failure {
        Error::Sending(SendError::Refused(verdict)) => Some(verdict.clone()),
        failure if failure.is_of_this_side() => {
            end_stream();
            receiver.last_word(MOMENT)
        }
        _ => None,
    };
    let Some(verdict) = last_word else {
        return (Err(failure), without_a_journal);
    };
    if stopped.is_whole && verdict::confirm(verdict.clone(), stopped.checksum).is_ok() {
        // The user cancelled too late, and goes on with what follows as he likes.
        let delivered = manifest.map_or(Ok(()), Manifest::deliver);
        return (Err(delivered.err().unwrap_or(failure)), Arrived::All);
    }
    let count = journal.deliver(&verdict, arguments, &stopped);
    let arrived = match count {
        None => without_a_journal,
        Some(0) if args.landed.is_none() => Arrived::Nothing,
        Some(_) => Arrived::Known,
    };
    (Err(failure), arrived)
}

type Lists = (Option<Manifest>, Option<Journal>, Option<Landed>, Entries);

fn prepare(args: &Args, exclude: Option<Exclude>) -> Result<(Arguments, Lists), Error> {
    let name = args.name.clone();
    let arguments = match (name, args.content) {
        (Some(name), Some(number)) => {
            let content = inherited::take(number).map_err(|error| {
                let shown = format!("descriptor {number}").into_bytes();
                Error::Content(shown, error)
            })?;
            Arguments::of_content(name, content)?
        }
        (name, _) => {
            let mut arguments = Arguments::new(args.paths.iter().cloned())?;
            if let Some(name) = name {
                arguments.rename(name)?;
            }
            arguments
        }
    };
    let entries = Entries::new(args.verbose, args.entries).map_err(Error::Entries)?;
    let manifest = args.manifest.map(Manifest::new).transpose()?;
    let journal = args.journal.map(Journal::new).transpose()?;
    let read = |number| Landed::read(BufReader::new(File::from(inherited::take(number)?)));
    let landed = args.landed.map(read).transpose();
    let landed = landed.map_err(Error::Landed)?;
    let lists = (manifest, journal, landed, entries);
    Ok((arguments.without(exclude), lists))
}

/// Why a copy really stopped.
fn why(failure: Error, receiver: &Receiver) -> Error {
    let failure = match failure {
        Error::Sending(SendError::Interrupted) => {
            match receiver.verdict(Some(verdict::REST_TIME)) {
                Ok(verdict) => verdict::refusal(verdict).into(),
                Err(failure) => failure.into(),
            }
        }
        other => other,
    };
    if failure.is_lost_connection() && receiver.is_cancelled_within(SOON) {
        return SendError::Cancelled.into();
    }
    failure
}
