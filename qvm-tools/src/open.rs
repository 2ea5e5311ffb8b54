//! `qvm-open-in-vm` and `qvm-open-in-dvm`: the story of opening a file, or an address, in another
//! qube. `args` says what was asked for, `nested` asks whether it is meant, `call` makes the
//! call, and `why` says why it was not made.

mod args;
mod call;
mod nested;
mod why;

use std::env;
use std::process::ExitCode;

use qopen_client::{Original, finish};
use qvm_common::dialog::Notice;
use qvm_common::interrupt::keep_children;
use qvm_common::say::say;

pub use args::Command;
use args::{Request, What};
use call::Call;

use crate::client::find_client;
use crate::ending::{Ending, show};

/// Does what the command line says; nothing is written to stdout but help that was asked for.
#[must_use]
pub fn main_of(command: Command) -> ExitCode {
    qvm_common::log::to_stderr();
    match command.parse(env::args_os()) {
        Ok(request) => run(command, &request),
        Err(ending) => ending.tell(command.name()),
    }
}

fn run(command: Command, request: &Request) -> ExitCode {
    let Err(ending) = open(command, request) else {
        return ExitCode::SUCCESS;
    };
    let status = ending.tell(command.name());
    if request.gui {
        ending.show(command.name());
    }
    status
}

fn open(command: Command, request: &Request) -> Result<(), Ending> {
    let client = find_client()?;
    let call = |service| Call {
        client: &client,
        target: request.target.as_str(),
        service,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Ending::system("cannot start", error))?;
    runtime
        .block_on(async { keep_children() })
        .map_err(|error| Ending::system("cannot watch programs", error))?;
    let path = match &request.what {
        What::File(path) => path,
        What::Url(url) => {
            nested::ask_first(request.target.as_str())?;
            return runtime.block_on(call("qubes.OpenURL").send_line(url));
        }
    };
    // What cannot be sent is said before anybody is asked anything.
    let original = Original::open(path)
        .map_err(|error| Ending::failed(format!("{error}\n{}", error.advice())))?;
    nested::ask_first(request.target.as_str())?;
    let edited = runtime.block_on(call("qubes.OpenInVM").edit(&original, request.limit))?;
    let outcome = finish(&original, edited.conversation, edited.ended);
    let messages = outcome.messages(path);
    if !outcome.is_good() {
        return Err(Ending::with_status(edited.status, messages.join("\n")));
    }
    for message in &messages {
        say(format_args!("{}: {message}", command.name()));
    }
    if request.gui && !messages.is_empty() {
        show(Notice::Info, command.name(), &messages.join("\n"));
    }
    Ok(())
}
