//! What `qvm-copy` and `qvm-move` do, from the command line to the exit status.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::process::ExitCode;

use qfile_walk::{ArgumentError, Arguments};
use qvm_common::manifest::waiting_file;
use qvm_common::result_line::Outcome;
use qvm_common::say::{clear_line, say};

use crate::args::{Form, Progress, Request};
use crate::client::Programs;
use crate::ending::{Ending, answer};
use crate::judge::Report;
use crate::remove::{Removal, remove};
use crate::report;
use crate::service::Service;
use crate::survey::{Finding, Rules, Survey};

/// `qvm-copy`, `qvm-move` or one of their other names, told apart by the name that the program was
/// called by.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let form = Form::from_name(&arguments.next().unwrap_or_default());
    let arguments: Vec<OsString> = arguments.collect();
    match form.parse(&arguments) {
        Ok(request) => run(form.name(), &request),
        Err(ending) => ending.tell(form.name()),
    }
}

fn run(command: &str, request: &Request) -> ExitCode {
    let Err(ending) = copy(command, request) else {
        return ExitCode::SUCCESS;
    };
    let status = ending.tell(command);
    if request.progress == Progress::Window {
        ending.show(command);
    }
    status
}

/// Surveys what was asked for, has it sent, and believes the sender alone about what became of it.
fn copy(command: &str, request: &Request) -> Result<(), Ending> {
    let arguments =
        Arguments::new(request.paths.iter().cloned()).map_err(|error| argument(&error))?;
    let survey = survey(&arguments, request);
    if request.dry_run {
        answer(&report::dry_run(&survey, request))?;
    }
    if survey.prevents_copy() {
        let refusals = report::refusals(&survey);
        return Err(Ending::failed(format!("nothing was sent: {refusals}")));
    }
    if request.dry_run {
        return match survey.count(Finding::Special) {
            0 => Ok(()),
            _ => Err(Ending::new(Outcome::Partial, "")),
        };
    }
    let programs = Programs::find()?;
    if let Some(warning) = report::left_out(&survey) {
        say(format_args!("{command}: {warning}"));
    }
    let manifest = match request.delete {
        true => Some(waiting_file().map_err(no_room_for_manifest)?),
        false => None,
    };
    let service = Service::for_survey(&survey);
    let report = programs.call(request, service, survey.bytes, manifest.as_ref())?;
    if report.line.is_none() && request.progress != Progress::None {
        // An agent that was interrupted leaves its line of progress behind.
        clear_line();
    }
    let judged = report.judge(&request.target, service);
    match manifest {
        Some(manifest) => delete(&report, judged, manifest, request, &arguments),
        None => judged,
    }
}

/// What makes a copy a move: deletes what was confirmed, whatever else was left out.
fn delete(
    report: &Report,
    judged: Result<(), Ending>,
    manifest: File,
    request: &Request,
    arguments: &Arguments,
) -> Result<(), Ending> {
    if !report.is_confirmed() {
        return Err(nothing_deleted(judged));
    }
    let removed = remove(Removal {
        manifest,
        links: request.links,
        arguments: arguments.paths().map(<[u8]>::to_vec).collect(),
    });
    match (removed, judged) {
        (Err(stays), Err(left_out)) => Err(Ending {
            said_by_sender: left_out.said_by_sender,
            ..stays
        }),
        (removed, judged) => removed.and(judged),
    }
}

/// The end of a move that did not come to deleting.
fn nothing_deleted(judged: Result<(), Ending>) -> Ending {
    let Err(mut ending) = judged else {
        let message = "everything was copied; because you cancelled, nothing was deleted";
        return Ending::new(Outcome::Cancelled, message);
    };
    let newline = if ending.message.is_empty() { "" } else { "\n" };
    ending.message.push_str(newline);
    ending.message.push_str("nothing was deleted");
    ending
}

fn no_room_for_manifest(error: std::io::Error) -> Ending {
    Ending::failed(format!(
        "cannot make a temporary file for the list of what may be deleted: {error}\n\
         Nothing was sent. Set TMPDIR to a folder that you can write to."
    ))
}

fn survey(arguments: &Arguments, request: &Request) -> Survey {
    let rules = Rules {
        links: request.links,
        ..Rules::default()
    };
    Survey::of(arguments, rules)
}

/// An argument that cannot be copied, whatever is there.
pub(crate) fn argument(error: &ArgumentError) -> Ending {
    let message = format!("{error}\n{}", error.advice());
    match error {
        ArgumentError::Start(_) => Ending::failed(message),
        _ => Ending::usage(message),
    }
}
