//! The service qubes.StartApp, and the command qubes-desktop-run: start one installed application.
//!
//! The caller names it and gives it nothing. `application` finds its desktop file, `documents` says
//! whether it opens documents in disposables, `activate` starts it by the session bus, `launch` by
//! its key `Exec`. The program ends when the application has: in a disposable, the end of the call
//! is the end of the qube. `leftover` knows what is not waited for.

mod activate;
mod application;
mod documents;
mod launch;
mod leftover;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use desktop::notification;
use program::failure::{self, Failure};

use application::Application;

use crate::qube;

/// The name of the program behind the service.
pub const SERVICE: &str = "qubes-start-app";

/// The name of the command.
pub const COMMAND: &str = "qubes-desktop-run";

/// How long a message is left to its reader in a qube that ends with this program.
const TO_READ: Duration = Duration::from_secs(15);

/// Start an installed application: the service qubes.StartApp.
///
/// ID is the name of a desktop file without .desktop; if the file is in a folder below
/// applications, the names of the folders come first, joined by -. The program ends when the
/// application and everything that it has started has ended.
#[derive(Debug, Parser)]
#[command(name = SERVICE, version, after_help = STATUSES)]
pub struct StartApp {
    /// The application
    // How many there are is checked later: qrexec's callers know only one status for a wrong call.
    #[arg(value_name = "ID")]
    pub id: Vec<OsString>,
}

/// Start an installed application.
///
/// NAME is the name of a desktop file, with or without .desktop; if the file is in a folder below
/// applications, the names of the folders come first, joined by -. The program ends when the
/// application and everything that it has started has ended.
#[derive(Debug, Parser)]
#[command(name = COMMAND, version, after_help = STATUSES)]
pub struct DesktopRun {
    /// The application
    #[arg(value_name = "NAME")]
    pub name: OsString,
}

const STATUSES: &str = "\
Exit status:
  0    the application was started, and has ended with any status
  1    it is not installed, or cannot be started
  2    the command line is wrong
  126  an intermediate program, such as env or a shell, found it but could not execute it
  127  an intermediate program did not find it";

/// The service: starts what the argument of the call names.
#[must_use]
pub fn serve(arguments: &[OsString]) -> ExitCode {
    match arguments {
        [id] if !id.is_empty() => end(SERVICE, id, start(id)),
        _ => failure::end(
            SERVICE,
            Err(Failure::new("the service needs exactly one argument")
                .advise("call qubes.StartApp+ID, with the name of a desktop file for ID")),
        ),
    }
}

/// The command: starts the application `name`.
#[must_use]
pub fn run(name: &OsStr) -> ExitCode {
    let id = desktop_entries::find::without_suffix(name);
    let id = std::os::unix::ffi::OsStrExt::from_bytes(id);
    end(COMMAND, name, start(id))
}

/// Tells of a failure on stderr, and on the desktop, since nobody who clicks on a menu sees stderr.
fn end(program: &str, name: &OsStr, result: Result<(), Failure>) -> ExitCode {
    let failure = result.as_ref().err().cloned();
    let code = failure::end(program, result);
    if let Some(failure) = failure {
        let name = text::name(name.as_encoded_bytes());
        let title = format!("Cannot start {}", text::for_window(&name));
        let is_disposable =
            qube::read("/qubes-vm-persistence").is_some_and(|value| value == "none");
        let shown = notification::Shown {
            title: &title,
            text: &failure.to_string(),
            to_read: is_disposable.then_some(TO_READ),
        };
        if let Ok(runtime) = runtime() {
            runtime.block_on(notification::error(shown));
        }
    }
    code
}

fn start(id: &OsStr) -> Result<(), Failure> {
    let cannot =
        |why: &dyn std::fmt::Display| Failure::new("cannot start any application").because(why);
    let runtime = runtime().map_err(|error| cannot(&error))?;
    runtime.block_on(async {
        let application = Application::find(id)?;
        let in_disposables = documents::open_in_disposables(id).map_err(|error| {
            application
                .cannot_start("it is not known whether it should open documents in disposables")
                .advise(format_args!("{error}; start it again when QubesDB answers"))
        })?;
        // An application that the bus starts does not get the environment that this needs.
        if !in_disposables && application.entry.is_true("DBusActivatable") {
            match activate::activate(id).await {
                Ok(()) => return Ok(()),
                Err(why) if application.entry.string("Exec").is_none() => {
                    // The words may be the application's.
                    let why = text::foreign(why.to_string().as_bytes());
                    return Err(application.cannot_start(&format!("the session bus: {why}")));
                }
                Err(_) => {}
            }
        }
        launch::launch(&application, in_disposables).await
    })
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
