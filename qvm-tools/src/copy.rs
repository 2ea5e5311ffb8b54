//! What `qvm-copy` does, from the command line to the exit status.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use qfile_walk::{ArgumentError, Arguments};
use qvm_common::result_line::Outcome;
use qvm_common::say::say;

use crate::args::{Form, Progress, Request};
use crate::client::Programs;
use crate::ending::{Ending, answer};
use crate::report;
use crate::service::Service;
use crate::survey::{Finding, Rules, Survey};

/// `qvm-copy` or `qvm-copy-to-vm`, told apart by the name that the program was called by.
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
    let survey = survey(request)?;
    if request.dry_run {
        answer(&report::dry_run(&survey, &request.target))?;
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
    let service = Service::for_survey(&survey);
    let report = programs.call(request, service, survey.bytes)?;
    report.judge(&request.target, service)
}

fn survey(request: &Request) -> Result<Survey, Ending> {
    let arguments =
        Arguments::new(request.paths.iter().cloned()).map_err(|error| argument(&error))?;
    let rules = Rules {
        links: request.links,
        ..Rules::default()
    };
    Ok(Survey::of(&arguments, rules))
}

/// An argument that cannot be copied, whatever is there.
pub(crate) fn argument(error: &ArgumentError) -> Ending {
    let message = format!("{error}\n{}", error.advice());
    match error {
        ArgumentError::Start(_) => Ending::failed(message),
        _ => Ending::usage(message),
    }
}
