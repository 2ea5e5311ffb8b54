//! Starting an application by its key `Exec`, and waiting until it has ended with everything that it
//! has started.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use desktop_entries::exec::{self, Codes};
use desktop_entries::{locale, programs};
use program::failure::Failure;
use program::reaper::Reaper;

use super::application::Application;
use super::documents::OVERRIDE;
use super::leftover;

/// Terminals, each with what comes before a command, in the order in which GIO looks for them.
const TERMINALS: [(&str, Option<&str>); 12] = [
    ("xdg-terminal-exec", None),
    ("kgx", Some("-e")),
    ("gnome-terminal", Some("--")),
    ("mate-terminal", Some("-x")),
    ("xfce4-terminal", Some("-x")),
    ("tilix", Some("-e")),
    ("konsole", Some("-e")),
    ("nxterm", Some("-e")),
    ("color-xterm", Some("-e")),
    ("rxvt", Some("-e")),
    ("dtterm", Some("-e")),
    ("xterm", Some("-e")),
];

/// What `env`, shells and terminals end with if the program that they were to start is not there,
/// or cannot be executed.
const NOT_STARTED: [i32; 2] = [126, 127];

/// How often what is left is looked at: that a process became a bus daemon is told by no signal.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Starts the application and waits for its end.
pub(crate) async fn launch(application: &Application, in_disposables: bool) -> Result<(), Failure> {
    let mut command = command(application, in_disposables)?;
    let cannot = |why: &dyn std::fmt::Display| application.cannot_start(&why.to_string());
    let mut reaper = Reaper::new().map_err(|error| cannot(&error))?;
    let pid = reaper.start(&mut command).map_err(|error| {
        let program = text::own(command.get_program().as_bytes());
        cannot(&format_args!("cannot execute \"{program}\": {error}"))
    })?;
    let status = reaper.wait(pid).await.exit_status();
    if let Some(status) = status.filter(|status| NOT_STARTED.contains(status)) {
        let program = text::own(command.get_program().as_bytes());
        let status = u8::try_from(status).unwrap_or(1);
        return Err(cannot(&format_args!(
            "\"{program}\" could not start it and ended with {status}"
        ))
        .with_status(status));
    }
    while reaper.reap() && leftover::anything() {
        tokio::select! {
            () = reaper.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    Ok(())
}

fn command(application: &Application, in_disposables: bool) -> Result<Command, Failure> {
    let entry = &application.entry;
    let cannot = |why: &dyn std::fmt::Display| application.cannot_start(&why.to_string());
    let exec = entry
        .string("Exec")
        .ok_or_else(|| cannot(&"it has no key Exec"))?;
    let (icon, name) = (
        entry.string("Icon"),
        entry.localized("Name", &locale::of_environment()),
    );
    let codes = Codes {
        icon: icon.as_deref(),
        name: name.as_deref(),
        file: &application.file,
    };
    let words = exec::words(&exec, &codes).map_err(|error| cannot(&error))?;
    let [program, ..] = &words[..] else {
        return Err(cannot(&exec::Malformed::Empty));
    };
    // A terminal would start without it, and show an error for a moment at most.
    let found = programs::find(program).ok_or_else(|| {
        let program = text::own(program);
        cannot(&format_args!(
            "the program \"{program}\" of its key Exec does not exist"
        ))
        .advise("install it in this qube or its template")
    })?;
    let words = words.iter().map(|word| OsStr::from_bytes(word));
    let mut command = match entry.is_true("Terminal") {
        true => {
            let mut command = terminal().ok_or_else(|| {
                cannot(&"it needs a terminal, and none is installed")
                    .advise("install one, such as xterm, in this qube or its template")
            })?;
            command.args(words);
            command
        }
        false => {
            let mut command = Command::new(found);
            command.arg0(OsStr::from_bytes(program)).args(words.skip(1));
            command
        }
    };
    if let Some(path) = entry.string("Path") {
        let path = Path::new(OsStr::from_bytes(&path));
        if !path.is_dir() {
            let path = text::file(path);
            return Err(cannot(&format_args!(
                "the folder {path} of its key Path does not exist"
            )));
        }
        command.current_dir(path);
    }
    if in_disposables {
        command
            .env_remove("XDG_DATA_HOME")
            .env_remove("GNOME_DESKTOP_SESSION_ID")
            .env("XDG_DATA_DIRS", OVERRIDE);
    }
    command
        .env("GIO_LAUNCHED_DESKTOP_FILE", &application.file)
        .stdin(Stdio::null());
    Ok(command)
}

/// The first terminal that is installed, ready for the words of a command.
fn terminal() -> Option<Command> {
    TERMINALS.iter().find_map(|(name, option)| {
        let mut command = Command::new(programs::find(name.as_bytes())?);
        command.args(*option);
        Some(command)
    })
}
