//! What `qvm-copy` and `qvm-move` do, from the command line to the exit status.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use desktop::dialog::Notice;
use program::failure::{Failure, end};
use program::say::{clear_line, say};
use transfer::landed::Landed;
use transfer::manifest::{AbsolutePaths, waiting_file};
use transfer::result_line::Outcome;
use walk::{ArgumentError, Arguments, Exclude, Links};

use crate::args::{Form, Progress, Request, parsed_target};
use crate::client::{Lists, Programs};
use crate::deadline::Deadline;
use crate::ending::{Ending, answer, show, usage, with};
use crate::going_on::{Earlier, keep, keep_confirmed};
use crate::in_time::{Waiting, in_time};
use crate::journal::Stage;
use crate::json;
use crate::judge::Report;
use crate::remove::{Removal, remove};
use crate::report;
use crate::service::Service;
use crate::several::send_to_each;
use crate::standard_input;
use crate::survey::{Finding, Listed, Rules, Survey};
use qrexec::Target;

/// `qvm-copy`, `qvm-move` or one of their other names, told apart by the name that the program was
/// called by.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let form = Form::from_name(&arguments.next().unwrap_or_default());
    let arguments: Vec<OsString> = arguments.collect();
    match form.parse(&arguments) {
        Ok(request) => match missing_file(form, &request) {
            None => run(form.name(), &request),
            Some(failure) => end(form.name(), Err(failure)),
        },
        Err(failure) => end(form.name(), Err(failure)),
    }
}

/// What there is to say if the only argument is the name of a qube and not of a file: then FILE was
/// forgotten.
fn missing_file(form: Form, request: &Request) -> Option<Failure> {
    let [path] = &*request.paths else {
        return None;
    };
    let is_typed_alone = form.takes_target() && request.target == Target::default();
    let is_missing = is_typed_alone
        && !request.go_on
        && parsed_target(path).is_some()
        && Path::new(path).symlink_metadata().is_err();
    is_missing.then(|| {
        let name = text::name(path.as_bytes());
        usage(format_args!(
            "FILE is missing: {name} is no file or folder here"
        ))
        .advise(format_args!(
            "if {name} is a qube, give the files behind it: {} {} FILE...",
            form.name(),
            text::own(path.as_bytes())
        ))
    })
}

fn run(command: &str, request: &Request) -> ExitCode {
    let mut survey = None;
    let copied = copy(command, request, &mut survey);
    // With several targets each has its own line, once there is something to send.
    let is_told = !request.more_targets.is_empty() && survey.is_some();
    let copied = match request.json && !is_told {
        true => {
            let answered = answer(&json::summary(&request.target, survey.as_ref(), &copied));
            answered.map_err(Ending::from).and(copied)
        }
        false => copied,
    };
    let status = end(command, copied.clone().map_err(|ending| ending.failure));
    if let (Err(ending), Progress::Window) = (&copied, request.progress) {
        ending.show(command);
    }
    status
}

/// Surveys what was asked for, has it sent, and believes the sender alone about what became of it.
/// What is to be sent is put into `surveyed`.
fn copy(command: &str, request: &Request, surveyed: &mut Option<Survey>) -> Result<(), Ending> {
    let earlier = match request.go_on {
        true => Some(Earlier::find(command, request)?),
        false => None,
    };
    let request = earlier.as_ref().map_or(request, |earlier| &earlier.request);
    let content = match request.stdin {
        true => Some(standard_input::store(request.deadline)?),
        false => None,
    };
    let arguments = Arc::new(arguments(request, content.as_ref())?);
    if let Some(earlier) = &earlier {
        if earlier.stage == Stage::Deleting && !request.dry_run {
            let manifest = earlier.list().map_err(no_room_for_manifest)?;
            return delete_confirmed(manifest, request, &arguments, Some(earlier), None);
        }
    }
    let landed = || earlier.as_ref().map(Earlier::landed).transpose();
    let survey = &*surveyed.insert(survey(&arguments, request, landed()?)?);
    let exclude = arguments.exclude().filter(|_| !request.quiet);
    for pattern in exclude.into_iter().flat_map(Exclude::unmatched) {
        say(format_args!("{command}: {}", report::unmatched(pattern)));
    }
    if request.dry_run && !request.json {
        answer(&report::dry_run(survey, request))?;
    }
    if survey.prevents_copy() {
        let refusals = report::refusals(survey);
        return Err(Failure::new(format_args!("nothing was sent: {refusals}")).into());
    }
    if survey.is_empty() && survey.refused() > 0 {
        let refusals = report::left_out_refusals(survey);
        return Err(Failure::new(format_args!(
            "nothing was sent, because everything would be left out: {refusals}"
        ))
        .into());
    }
    if survey.is_empty() && survey.excluded > 0 {
        let failure = Failure::new("nothing was sent, because --exclude leaves out everything");
        return Err(failure.advise("give a pattern that matches less").into());
    }
    // The links that a walk leaves out are not counted: nothing else is missing.
    let is_all_ignored = survey.is_empty()
        && earlier.is_none()
        && request.links == Links::Ignore
        && survey.count(Finding::Special) == 0;
    if is_all_ignored {
        let failure =
            Failure::new("nothing was sent, because --ignore-symlinks leaves out everything");
        return Err(failure
            .advise("--dereference copies what links point to")
            .into());
    }
    if request.dry_run {
        let left_out = [Finding::Special, Finding::ChangedSince].map(|what| survey.count(what));
        return match survey.refused() + left_out.iter().sum::<u64>() {
            0 => Ok(()),
            _ => Err(Failure::said(Outcome::Partial.status()).into()),
        };
    }
    check_working_folder(&arguments, request)?;
    if !request.quiet {
        let warnings = [report::left_out(survey), report::excluded(survey)];
        for warning in warnings.into_iter().flatten() {
            say(format_args!("{command}: {warning}"));
        }
        warn_of_disposable(command, request);
    }
    if !request.more_targets.is_empty() {
        return send_to_each(command, request, &arguments, survey, content.as_ref());
    }
    let programs = Programs::find()?;
    let waiting = || waiting_file().map_err(no_room_for_manifest);
    let list = |earlier: &Earlier| earlier.list().map_err(no_room_for_manifest);
    let lists = Lists {
        manifest: request.delete.then(waiting).transpose()?,
        // What came from stdin is gone when the call is over: there is nothing to go on with.
        journal: (!request.stdin).then(waiting).transpose()?,
        landed: earlier.as_ref().map(list).transpose()?,
        content,
        ..Lists::for_scripts(request)?
    };
    let service = Service::for_survey(survey);
    let report = programs.call(request, service, survey.bytes, &lists)?;
    if report.line.is_none() && request.progress != Progress::None {
        // An agent that was interrupted leaves its line of progress behind.
        clear_line();
    }
    let judged = report.judge(&request.target, service);
    let ended = match &lists.manifest {
        Some(manifest) => delete(
            &report,
            judged,
            manifest,
            request,
            &arguments,
            earlier.as_ref(),
        ),
        None => judged,
    };
    match ended {
        Err(ending) => {
            let ending = Deadline::explain(request.deadline, ending);
            let ending = keep(ending, request, lists.journal.as_ref(), earlier.as_ref());
            let is_over = report.is_confirmed() && ending.status() == Outcome::Partial.status();
            if let Some(earlier) = earlier.filter(|_| is_over) {
                earlier.forget();
            }
            Err(ending)
        }
        Ok(()) => {
            if let Some(earlier) = earlier {
                earlier.forget();
            }
            Ok(())
        }
    }
}

/// Refuses relative paths if no path leads to the working folder: the lists of what arrived, and of what
/// is to be deleted, have the whole paths.
fn check_working_folder(arguments: &Arguments, request: &Request) -> Result<(), Failure> {
    let is_listed = request.delete || request.more_targets.is_empty();
    let mut paths = AbsolutePaths::default();
    match arguments
        .paths()
        .filter(|_| is_listed && !request.stdin)
        .try_for_each(|path| paths.absolute(path).map(|_absolute| ()))
    {
        Ok(()) => Ok(()),
        Err(error) => Err(argument(&ArgumentError::Start(error))),
    }
}

/// Says before the copy that its target does not last. Where dom0 decides on the target, it is
/// `--dry-run` and the manual that say so, not every call.
fn warn_of_disposable(command: &str, request: &Request) {
    if request.target == Target::default() {
        return;
    }
    let Some(warning) = report::disposable(request) else {
        return;
    };
    say(format_args!("{command}: warning: {warning}"));
    if request.progress == Progress::Window {
        show(Notice::Info, command, &warning);
    }
}

/// What is to be copied, with the name that it is to have there, or `content` under that name.
fn arguments(request: &Request, content: Option<&File>) -> Result<Arguments, Ending> {
    let wrong = |error: ArgumentError| argument(&error);
    let arguments = match (&request.name, content) {
        (Some(name), Some(content)) => {
            let content = content.try_clone().map_err(no_room_for_manifest)?;
            Arguments::of_content(name.clone(), content.into()).map_err(wrong)?
        }
        (name, _) => {
            let mut arguments = Arguments::new(request.paths.iter().cloned()).map_err(wrong)?;
            if let Some(name) = name {
                arguments.rename(name.clone()).map_err(wrong)?;
            }
            arguments
        }
    };
    Ok(arguments.without(request.exclude.clone()))
}

/// What makes a copy a move: deletes what was confirmed, whatever else was left out.
fn delete(
    report: &Report,
    judged: Result<(), Ending>,
    manifest: &File,
    request: &Request,
    arguments: &Arguments,
    earlier: Option<&Earlier>,
) -> Result<(), Ending> {
    if !report.is_confirmed() {
        return Err(keep_confirmed(nothing_deleted(judged), request, manifest));
    }
    let manifest = manifest.try_clone().map_err(no_room_for_manifest)?;
    let landed = earlier.map(Earlier::landed).transpose()?;
    let removed = delete_confirmed(manifest, request, arguments, earlier, landed);
    match (removed, judged) {
        // What the sender left out is in the manifest, and so in this list.
        (Err(stays), _) => Err(stays),
        (Ok(()), judged) => judged.map_err(unsaid),
    }
}

/// Deletes what was confirmed, now or in an earlier call that was cancelled before it had.
pub(crate) fn delete_confirmed(
    manifest: File,
    request: &Request,
    arguments: &Arguments,
    earlier: Option<&Earlier>,
    landed: Option<Landed>,
) -> Result<(), Ending> {
    let list = manifest.try_clone().map_err(no_room_for_manifest)?;
    let removed = remove(Removal {
        manifest,
        links: request.links,
        arguments: arguments.paths().map(<[u8]>::to_vec).collect(),
        landed,
        exclude: request.exclude.clone(),
        deadline: request.deadline,
    });
    let removed = removed.map_err(|failure| {
        let ending = Deadline::explain(request.deadline, failure.into());
        match request.more_targets.is_empty() {
            true => keep_confirmed(ending, request, &list),
            false => ending,
        }
    });
    let is_over =
        !matches!(&removed, Err(ending) if ending.status() == Outcome::Cancelled.status());
    if let Some(earlier) = earlier.filter(|_| is_over) {
        earlier.forget();
    }
    removed
}

/// The end of a move that did not come to deleting.
pub(crate) fn nothing_deleted(judged: Result<(), Ending>) -> Ending {
    let cancelled = "because you cancelled, nothing was deleted";
    match judged {
        Ok(()) => with(
            Outcome::Cancelled,
            format_args!("everything was copied; {cancelled}"),
        )
        .into(),
        Err(ending) if ending.status() == Outcome::Partial.status() => {
            let left_out = ending.said_by_sender;
            with(Outcome::Cancelled, format_args!("{left_out}; {cancelled}")).into()
        }
        Err(ending) => ending.and("nothing was deleted"),
    }
}

/// With a manifest the sender does not say itself what it left out.
fn unsaid(ending: Ending) -> Ending {
    let Ending {
        failure,
        said_by_sender,
    } = ending;
    failure.reworded(said_by_sender).into()
}

pub(crate) fn no_room_for_manifest(error: std::io::Error) -> Failure {
    Failure::new(format_args!(
        "cannot create a temporary file for the list of sent files: {error}"
    ))
    .advise("nothing was sent; set TMPDIR to a folder that you can write to")
}

/// Finds out what is to be sent. A file system that does not answer before the time for the whole call is
/// over does not hold up what the user is told.
fn survey(
    arguments: &Arc<Arguments>,
    request: &Request,
    landed: Option<Landed>,
) -> Result<Survey, Failure> {
    let Some((deadline, left)) = request
        .deadline
        .and_then(|deadline| Some((deadline, deadline.left()?)))
    else {
        return survey_all(arguments, request, landed, &Waiting::default());
    };
    let (arguments, request) = (Arc::clone(arguments), request.clone());
    let surveyed = in_time("survey of the files", left, move |waiting| {
        survey_all(&arguments, &request, landed, waiting)
    });
    surveyed?.unwrap_or_else(|| {
        Err(with(Outcome::Cancelled, deadline.told())
            .advise("nothing was sent: looking for the files took too long"))
    })
}

/// Finds out what is to be sent; of a dry run that is to name each entry, names them.
fn survey_all(
    arguments: &Arguments,
    request: &Request,
    landed: Option<Landed>,
    waiting: &Waiting,
) -> Result<Survey, Failure> {
    let is_named = request.dry_run && (request.json || request.verbose);
    let rules = Rules {
        links: request.links,
        skip_refused: request.skip_refused,
        list_excluded: is_named,
        ..Rules::default()
    };
    let mut written = Ok(());
    let mut name = |entry: &Listed<'_>| {
        let line = match request.json {
            true => json::listed(entry),
            false => report::listed(entry),
        };
        if written.is_ok() {
            written = waiting.answer(&line);
        }
    };
    let each: &mut dyn FnMut(&Listed<'_>) = match is_named {
        true => &mut name,
        false => &mut |_| {},
    };
    let survey = Survey::of_rest(arguments, rules, landed, each);
    written.map(|()| survey)
}

/// An argument that cannot be copied, whatever is there.
pub(crate) fn argument(error: &ArgumentError) -> Failure {
    let failure = match error {
        ArgumentError::Start(_) => Failure::new(error),
        _ => usage(error),
    };
    failure.advise(error.advice())
}
