//! `qvm-run-vm [-t|--no-gui] QUBE CMD [ARG...]`, `qvm-run-vm [-t|--no-gui] -d CMD [ARG...]`.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use program::failure::Failure;
use qrexec::Target;

use crate::args::parsed_target;
use crate::ending::{command_line, usage};

/// Run a command in another qube
///
/// Runs CMD in QUBE, joined to stdin, stdout and stderr, and ends with its exit status. A CMD of
/// several words is the program and its arguments: no shell in QUBE sees them. A single word that has
/// blanks or other characters that mean something to a shell is a line for bash there.
#[derive(Debug, Parser)]
#[command(name = "qvm-run-vm", version, after_help = AFTER_HELP, args_override_self = true)]
#[command(override_usage = "qvm-run-vm [-t] [--] QUBE CMD [ARG...]\n       \
                            qvm-run-vm [-t] -d [--] CMD [ARG...]")]
struct Typed {
    /// Do not wait for a graphical session in a new disposable
    #[arg(short = 't', long)]
    no_gui: bool,

    /// Run it in a new disposable qube: as QUBE @dispvm
    #[arg(short, long)]
    dispvm: bool,

    /// The qube: a name, @dispvm (a new disposable), @dispvm:TEMPLATE or @default (dom0 asks). Then
    /// the command: everything behind the qube belongs to it, options too
    #[arg(value_name = "QUBE CMD", required = true, trailing_var_arg = true)]
    arguments: Vec<OsString>,
}

const AFTER_HELP: &str = "\
The command is the argument of the service qubes.VMExec (qubes.VMExecGUI in a disposable), so that the \
policy of dom0 can tell commands apart. If the command takes more than 3,900 bytes there, or if \
QUBE does not have that service, the command is sent to qubes.VMShell as a line for the shell.

Exit status:
  other  the status of CMD
    1  the call could not be made
    2  the command line is wrong
  126  the policy of dom0, or the user, refused the call; or CMD cannot be executed in QUBE
  127  CMD was not found in QUBE
  128+N  CMD or this command was ended by the signal N";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) target: Target,
    /// The program and its arguments; at least the program, which is not empty.
    pub(super) command: Vec<OsString>,
    /// The service waits until there is a graphical session.
    pub(super) waits_for_session: bool,
}

impl Request {
    /// The service for a command, and the one for a shell.
    pub(super) fn services(&self) -> (&'static str, &'static str) {
        match self.waits_for_session {
            true => ("qubes.VMExecGUI", "qubes.VMShell+WaitForSession"),
            false => ("qubes.VMExec", "qubes.VMShell"),
        }
    }
}

/// The definition of the command line.
#[must_use]
pub fn definition() -> clap::Command {
    Typed::command()
}

pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, Failure> {
    let typed = Typed::command()
        .try_get_matches_from(arguments)
        .and_then(|matches| Typed::from_arg_matches(&matches))
        .map_err(command_line(definition()))?;
    let mut words = typed.arguments.into_iter().peekable();
    let target = match typed.dispvm {
        true => Target::Disposable(None),
        false => {
            let qube = words.next().unwrap_or_default();
            // People write it there to be sure.
            words.next_if(|word| word == "--");
            let target = parsed_target(&qube);
            target.ok_or_else(|| {
                let shown = text::name(qube.as_encoded_bytes());
                usage(format_args!("{shown} is not the name of a qube"))
            })?
        }
    };
    let command = command(words.collect());
    if command.first().is_none_or(|program| program.is_empty()) {
        return Err(usage("there is no command").advise("see --help"));
    }
    let waits_for_session = target.is_disposable() && !typed.no_gui;
    Ok(Request {
        target,
        command,
        waits_for_session,
    })
}

/// The program and its arguments. A single word is a line for a shell, as it is for `qvm-run` in dom0,
/// but not one that is no more than the name of a program.
fn command(words: Vec<OsString>) -> Vec<OsString> {
    // Beyond ASCII, no character means anything to a shell.
    let is_plain =
        |byte: &u8| !byte.is_ascii() || byte.is_ascii_alphanumeric() || b"._-+/,:@".contains(byte);
    match &words[..] {
        [line] if !line.as_encoded_bytes().iter().all(is_plain) => {
            let shell = ["/bin/bash", "-c"].map(OsString::from);
            shell.into_iter().chain(words).collect()
        }
        _ => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Request, Failure> {
        let name = ["qvm-run-vm"];
        parse(name.iter().chain(arguments).map(OsString::from))
    }

    #[test]
    fn everything_behind_the_qube_is_the_command() {
        for (typed, target, command) in [
            (&["vault", "ls", "-l"][..], "vault", &["ls", "-l"][..]),
            (
                &["vault", "ls", "-t", "--help"],
                "vault",
                &["ls", "-t", "--help"],
            ),
            (
                &["vault", "--", "ls", "--", "-d"],
                "vault",
                &["ls", "--", "-d"],
            ),
            (&["--", "vault", "ls"], "vault", &["ls"]),
            (&["-d", "ls", "-l"], "@dispvm", &["ls", "-l"]),
            (&["$dispvm:web", "ls", ""], "@dispvm:web", &["ls", ""]),
            (&["vault", "a|b", "*"], "vault", &["a|b", "*"]),
        ] {
            let request = parsed(typed).unwrap();
            assert_eq!(request.target.to_string(), target, "{typed:?}");
            assert_eq!(request.command, command, "{typed:?}");
        }
    }

    #[test]
    fn a_single_word_is_a_line_for_a_shell_unless_it_names_a_program() {
        for (word, is_line) in [
            ("ls -l", true),
            ("ls|wc", true),
            ("A=b", true),
            ("~/x", true),
            ("ls", false),
            ("/usr/bin/g++", false),
            ("python3.11", false),
            ("没有这个命令", false),
            ("größer", false),
            ("unit@1", false),
        ] {
            let request = parsed(&["vault", word]).unwrap();
            let expected = match is_line {
                true => vec!["/bin/bash", "-c", word],
                false => vec![word],
            };
            assert_eq!(request.command, expected, "{word}");
        }
    }

    #[test]
    fn only_a_disposable_waits_for_its_session() {
        for (typed, waits) in [
            (&["-d", "x"][..], true),
            (&["@dispvm", "x"], true),
            (&["$dispvm:web", "x"], true),
            (&["-t", "-d", "x"], false),
            (&["--no-gui", "@dispvm", "x"], false),
            (&["vault", "x"], false),
        ] {
            assert_eq!(parsed(typed).unwrap().waits_for_session, waits, "{typed:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error() {
        for typed in [
            &[][..],
            &["vault"],
            &["vault", "--"],
            &["vault", ""],
            &["-d"],
            &["--nonsense", "vault", "x"],
            &["", "x"],
            &["a/b", "x"],
        ] {
            assert_eq!(parsed(typed).unwrap_err().status(), 2, "{typed:?}");
        }
    }
}
