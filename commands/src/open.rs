//! `qvm-open-in-vm` and `qvm-open-in-dvm`: the story of opening a file, or an address, in another
//! qube. `args` and `what` say what was asked for, `nested` asks whether it is meant, `call` makes the
//! call, `guard` ends it if we are killed, `why` says why it was not made, and `window` shows that where
//! nobody sees stderr.

mod args;
mod call;
mod change;
mod guard;
mod nested;
mod noticed;
mod what;
mod why;
mod window;

use std::env;
use std::fs::File;
use std::io::{IsTerminal as _, stderr};
use std::path::Path;
use std::process::ExitCode;

use desktop::dialog::Notice;
use program::failure::{Failure, end};
use program::interrupt::keep_children;
use program::say::say;
use qopen_in_vm::{Choice, Original, Outcome};
use qrexec::Target;
use quantity::counted;

pub use args::Command;
use args::Request;
use call::Call;
use change::Question;
use noticed::Noticed;
use what::What;

use crate::args::parsed_target;
use crate::client::find_client;
use crate::deadline::Deadline;
use crate::ending::{show, text_for_window, usage};

/// A status above this is 128+N after signal N.
const SIGNALLED: u8 = 128;

/// Does what the command line says; nothing is written to stdout but help that was asked for.
#[must_use]
pub fn main_of(command: Command) -> ExitCode {
    program::log::to_stderr(command.name());
    match command.parse(env::args_os()) {
        Ok(request) => run(command, &request),
        Err(failure) => {
            window::show_if_unseen(&failure, command.name());
            end(command.name(), Err(failure))
        }
    }
}

fn run(command: Command, request: &Request) -> ExitCode {
    let opened = open(command, request);
    let failure = opened.as_ref().err().cloned();
    let status = end(command.name(), opened);
    let Some(failure) = failure else {
        return status;
    };
    match request.gui {
        // Whoever tells a command to end does not want it to wait for the user.
        true if failure.status() <= SIGNALLED => {
            if let Some(text) = text_for_window(&failure, "") {
                show(Notice::Error, command.name(), &text);
            }
        }
        true => {}
        false => window::show_if_unseen(&failure, command.name()),
    }
    status
}

fn open(command: Command, request: &Request) -> Result<(), Failure> {
    let deadline = request.timeout.map(Deadline::after);
    let client = find_client()?;
    let target = request.target.to_string();
    let call = |service| Call {
        client: &client,
        target: &target,
        service,
        deadline,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::of("cannot start"))?;
    runtime
        .block_on(async { keep_children() })
        .map_err(Failure::of("cannot watch programs"))?;
    let path = match &request.what {
        What::File(path) => path,
        What::Url(url) => {
            nested::ask_first(&request.target, command.name())?;
            return runtime.block_on(call("qubes.OpenURL").send_line(url));
        }
    };
    // What cannot be sent is said before anybody is asked anything.
    if command == Command::OpenInVm && request.target == Target::default() {
        check_that_it_is_no_qube(path)?;
    }
    let original = Original::open(path)?;
    let original = match &request.target {
        Target::Named(qube) => original.opened_in(qube),
        _ => original,
    };
    nested::ask_first(&request.target, command.name())?;
    let is_told = !request.quiet && (request.verbose || stderr().is_terminal());
    let file = text::file(path);
    if request.verbose && !request.quiet {
        let name = command.name();
        let there = match original.name_there() {
            Some(there) => format!(", where its name is {}", text::name(there.as_bytes())),
            None => String::new(),
        };
        say(format_args!(
            "{name}: opening {file} in {target}{there}, {}",
            counted(original.size(), "byte", "bytes")
        ));
    }
    // Before the call, so that no signal is missed.
    let noticed = request.diff.then(Noticed::new).transpose();
    let noticed = noticed.map_err(Failure::of("cannot catch signals"))?;
    let opened = call("qubes.OpenInVM");
    let qube = opened.qube();
    let ask = noticed.as_ref().map(|noticed| {
        let question = Question {
            file: &file,
            qube: &qube,
            gui: request.gui,
            noticed,
        };
        move |old: &File, new: &File| change::ask(question, old, new)
    });
    let choice = Choice {
        backup: request.backup,
        approve: ask.as_ref().map(|ask| ask as _),
    };
    let edited = runtime.block_on(opened.edit(&original, request.limit, &choice))?;
    let told = edited.outcome.told(path, request.limit);
    let told = told.map_err(|failure| {
        let failure = failure.with_status(edited.status);
        match &edited.remark {
            Some(remark) => {
                let reason = format!("{remark}\n{}", failure.reason());
                failure.reworded(reason)
            }
            None => failure,
        }
    })?;
    let messages: Vec<String> = edited.remark.into_iter().chain(told).collect();
    let said = messages.iter().filter(|_| !request.quiet);
    said.for_each(|message| say(format_args!("{}: {message}", command.name())));
    // A message tells already that the edit is there, and more.
    if is_told && messages.is_empty() {
        let what = match edited.outcome {
            Outcome::Unchanged => "was not changed",
            _ => "contains the edit",
        };
        say(format_args!("{}: {file} {what}", command.name()));
    }
    if request.gui && !messages.is_empty() {
        show(Notice::Info, command.name(), &messages.join("\n"));
    }
    Ok(())
}

/// The only argument may be the name of a qube, where the file was forgotten.
fn check_that_it_is_no_qube(path: &Path) -> Result<(), Failure> {
    let is_qube = parsed_target(path.as_os_str()).is_some();
    if !is_qube || path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let name = text::file(path);
    Err(usage(format_args!(
        "FILE-OR-URL is missing: {name} is no file here"
    ))
    .advise(format_args!(
        "if {name} is a qube, give the file behind it: qvm-open-in-vm {} FILE",
        text::own(path.as_os_str().as_encoded_bytes())
    )))
}
