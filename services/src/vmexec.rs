//! The services qubes.VMExec, qubes.VMExecGUI and qubes.VMRootExec: this process becomes the command
//! that the argument of the call spells.

use std::convert::Infallible;
use std::env;
use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::unistd::execv;
use program::failure::Failure;
use program::system_log;
use qrexec::command::decode;
use text::foreign;

use crate::signals;

/// The name of the program.
pub const NAME: &str = "qubes-vmexec";

/// The program was found but could not be executed. Shells have the same two.
const NOT_EXECUTED: u8 = 126;
/// The program was not found.
const NOT_FOUND: u8 = 127;
/// Where a program is looked for without `PATH`.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// Becomes the command that `untrusted` spells.
///
/// # Errors
/// Always: it returns only if there is no such command.
pub fn serve(untrusted: &OsStr) -> Result<Infallible, Failure> {
    let failure = match decode(untrusted.as_bytes()) {
        Ok(command) => {
            system_log::info(NAME, format_args!("{} runs {}", caller(), shown(&command)));
            become_command(&command)
        }
        Err(error) => Failure::new("the argument is not a command").because(error),
    };
    system_log::warn(NAME, format_args!("for {}: {}", caller(), failure.reason()));
    Err(failure)
}

fn become_command(command: &[CString]) -> Failure {
    let Some(program) = command.first() else {
        return Failure::new("there is no command");
    };
    let attempted = || format!("cannot run \"{}\"", foreign(program.to_bytes()));
    if let Err(error) = signals::to_their_defaults() {
        return Failure::new(attempted())
            .because(format_args!(
                "cannot set signals to their defaults: {error}"
            ))
            .with_status(NOT_EXECUTED);
    }
    let path = env::var_os("PATH");
    let path = path.as_deref().map_or(DEFAULT_PATH, OsStr::as_bytes);
    match execute(program, command, path) {
        Unable::NotFound(why) => Failure::new(attempted())
            .because(why)
            .with_status(NOT_FOUND),
        Unable::NotExecuted(error) => {
            let why = match error {
                // Errno has no text of its own for it that a person understands.
                Errno::ENOEXEC => {
                    "it is not a program for this machine, and has no #! line".to_owned()
                }
                Errno::ENOENT => {
                    "the interpreter or loader that it names does not exist".to_owned()
                }
                _ => std::io::Error::from(error).to_string(),
            };
            Failure::new(attempted())
                .because(why)
                .with_status(NOT_EXECUTED)
        }
    }
}

/// Why a program was not executed.
#[derive(Debug, PartialEq, Eq)]
enum Unable {
    NotFound(&'static str),
    NotExecuted(Errno),
}

/// Executes `program`: as it is if there is a slash in it, else from the first folder of `path` that
/// has it. An empty folder is the working folder. No file that lacks a `#!` line is given to a shell,
/// as `execvp(3)` does.
fn execute(program: &CStr, command: &[CString], path: &[u8]) -> Unable {
    if program.to_bytes().contains(&b'/') {
        let Err(error) = execv(program, command);
        return match error {
            Errno::ENOENT | Errno::ENOTDIR if !exists(program) => {
                Unable::NotFound("there is no such file")
            }
            _ => Unable::NotExecuted(error),
        };
    }
    let mut failed = None;
    for folder in path.split(|byte| *byte == b':') {
        let separator: &[u8] = if folder.is_empty() { b"" } else { b"/" };
        let candidate = [folder, separator, program.to_bytes()].concat();
        // A variable of the environment has no NUL.
        let Ok(candidate) = CString::new(candidate) else {
            continue;
        };
        let Err(error) = execv(&candidate, command);
        match error {
            Errno::ENAMETOOLONG => {}
            _ if !exists(&candidate) => {}
            // Another folder may have one that can be executed, and whose interpreter is there.
            Errno::EACCES | Errno::ENOENT => failed = failed.or(Some(error)),
            _ => return Unable::NotExecuted(error),
        }
    }
    failed.map_or(
        Unable::NotFound("no folder of PATH has a program of this name"),
        Unable::NotExecuted,
    )
}

/// A link that leads nowhere is no program.
fn exists(path: &CStr) -> bool {
    fs::metadata(OsStr::from_bytes(path.to_bytes())).is_ok()
}

/// The calling qube, as dom0 names it.
fn caller() -> String {
    env::var_os("QREXEC_REMOTE_DOMAIN").map_or_else(
        || "a local caller".to_owned(),
        |name| foreign(name.as_bytes()),
    )
}

/// A command for the log: each part in quotation marks, of which none is inside, and no more than a
/// line holds.
fn shown(command: &[CString]) -> String {
    let mut line = String::new();
    for (number, part) in command.iter().enumerate() {
        let part = foreign(part.to_bytes());
        if line.len() + part.len() > text::MAX_CHARS {
            line.push_str(&format!(" and {} more", command.len() - number));
            break;
        }
        let separator = if number == 0 { "" } else { " " };
        line.push_str(&format!("{separator}\"{part}\""));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_in_the_log_is_one_line_without_doubt_about_its_parts() {
        let parts = |parts: &[&str]| -> Vec<CString> {
            parts
                .iter()
                .map(|part| CString::new(*part).unwrap())
                .collect()
        };
        assert_eq!(shown(&parts(&["ls", "a b", ""])), r#""ls" "a b" """#);
        assert_eq!(shown(&parts(&["x\" \"y\n\u{1b}"])), r#""x_ _y__""#);
        let many = shown(&parts(&["abcdefgh"; 1000]));
        assert!(many.len() < 1200 && many.ends_with(" more"), "{many}");
        let long = shown(&parts(&["a", &"b".repeat(5000), "c"]));
        assert_eq!(long, r#""a" and 2 more"#);
    }
}
