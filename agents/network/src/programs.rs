//! The other programs that are told about a change.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use program::programs::find_in_path;
use program::say::say;

/// Says something that is no reason to stop.
pub(crate) fn say_line(text: impl std::fmt::Display) {
    say(format_args!("qubes-network: {text}"));
}

/// Is there a program of this name?
pub(crate) fn is_there(name: &str) -> bool {
    find_in_path(name).is_some()
}

/// Runs a program, if it is there, and says if it fails.
pub(crate) fn run(name: &str, arguments: &[&str]) {
    if let Some(program) = find_in_path(name) {
        run_and_say(&program, arguments);
    }
}

/// Asks a program, if it is there, something that it answers by its exit status.
pub(crate) fn says_yes(name: &str, arguments: &[&str]) -> bool {
    let program = find_in_path(name);
    program.is_some_and(|program| {
        status(&program, arguments, Stdio::null()).is_ok_and(|status| status.success())
    })
}

/// Runs a program, and says if it fails.
pub(crate) fn run_and_say(program: &Path, arguments: &[&str]) {
    let shown = text::file(program);
    match status(program, arguments, Stdio::inherit()) {
        Ok(status) if status.success() => {}
        Ok(status) => say_line(format_args!("{shown} ended: {status}")),
        Err(error) => say_line(format_args!("cannot run {shown}: {error}")),
    }
}

fn status(program: &Path, arguments: &[&str], stderr: Stdio) -> std::io::Result<ExitStatus> {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        // udev may take stdout for its properties.
        .stdout(Stdio::null())
        .stderr(stderr)
        .status()
}
