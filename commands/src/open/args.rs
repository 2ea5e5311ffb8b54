//! `qvm-open-in-vm [OPTIONS] [--] [QUBE] FILE-OR-URL`;
//! `qvm-open-in-dvm` takes no QUBE.

use std::ffi::OsString;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser};
use program::failure::Failure;
use qopen_in_vm::Limit;

use super::what::What;
use crate::args::parse_target;
use crate::deadline;
use crate::ending::command_line;
use qrexec::Target;

/// Which of the two commands runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The target is named.
    OpenInVm,
    /// The target is a new disposable.
    OpenInDvm,
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) target: Target,
    pub(super) what: What,
    pub(super) limit: Limit,
    /// What there is to say is also shown in a window.
    pub(super) gui: bool,
    /// The previous content of a file that is replaced is kept.
    pub(super) backup: bool,
    /// What an edit changes is shown, and it is asked whether it may replace the file.
    pub(super) diff: bool,
    /// What is done is said.
    pub(super) verbose: bool,
    /// Only errors are said.
    pub(super) quiet: bool,
    /// How long the call may take.
    pub(super) timeout: Option<Duration>,
}

/// Open a file or a URL in another qube
///
/// The command opens FILE in QUBE, waits until the user has finished there, and replaces FILE
/// with the edit. A URL (http://, https://, ftp://) is opened in the browser of QUBE.
/// file:///PATH is the file PATH. Without QUBE, dom0 asks for it, or its policy chooses it.
#[derive(Debug, Parser)]
#[command(name = "qvm-open-in-vm", version, after_help = AFTER_HELP)]
#[command(args_override_self = true)]
#[command(override_usage = "qvm-open-in-vm [OPTIONS] [--] [QUBE] FILE-OR-URL")]
struct InVm {
    #[command(flatten)]
    options: Options,

    /// The file or URL to open. QUBE, if given, precedes it. It is the name of a qube, @default
    /// (dom0 asks, as without QUBE), @dispvm (a new disposable) or @dispvm:TEMPLATE
    #[arg(value_name = "FILE-OR-URL", required = true, num_args = 1..=2)]
    arguments: Vec<OsString>,
}

/// Open a file or a URL in a new disposable qube
///
/// The command opens FILE in a new disposable qube, waits until the user has finished there,
/// and replaces FILE with the edit. A URL (http://, https://, ftp://) is opened in the browser
/// of the disposable. file:///PATH is the file PATH.
#[derive(Debug, Parser)]
#[command(name = "qvm-open-in-dvm", version, after_help = AFTER_HELP, args_override_self = true)]
#[command(override_usage = "qvm-open-in-dvm [OPTIONS] [--] FILE-OR-URL")]
struct InDvm {
    #[command(flatten)]
    options: Options,

    /// The file or URL to open
    #[arg(value_name = "FILE-OR-URL")]
    what: OsString,
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Open the file for viewing only, and discard any answer
    #[arg(long)]
    view_only: bool,

    /// Show errors, and the path of a saved edit, also in a window
    #[arg(long)]
    gui: bool,

    /// Always save the previous content of FILE as FILE~ when the edit replaces it
    #[arg(long, conflicts_with = "view_only")]
    backup: bool,

    /// Show what the edit changes, and ask before it replaces FILE. If you do not agree, the edit
    /// is saved next to FILE
    #[arg(long, conflicts_with = "view_only")]
    diff: bool,

    /// Cancel the call after this time: a number of seconds, or a time such as 90s, 5m or 2h
    #[arg(long, value_name = "TIME", value_parser = deadline::limit)]
    timeout: Option<Duration>,

    /// Print what is sent, and whether an edit came back (default on a terminal)
    #[arg(short, long, overrides_with = "quiet")]
    verbose: bool,

    /// Print errors only
    #[arg(short, long, overrides_with = "verbose")]
    quiet: bool,

    /// The longest accepted answer, in bytes, such as 10M or 2GiB [default: 4 times the length of
    /// FILE and 1 GiB]
    #[arg(long, value_name = "SIZE", value_parser = program::command_line::size)]
    max_answer_bytes: Option<u64>,
}

const AFTER_HELP: &str = "\
FILE is replaced only if the complete edit has come back and FILE has not changed in the meantime. \
Otherwise the edit is saved next to FILE, and a message names both.

Exit status:
      0  FILE has the new content, or the file was not changed
      1  FILE was not replaced, or was not opened; stderr gives the reason
      2  the command line is wrong
    126  the policy of dom0, or the user, refused the call
  128+N  the program was ended by the signal N";

impl Command {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::OpenInVm, Self::OpenInDvm];

    /// The definition of the command line.
    #[must_use]
    pub fn definition(self) -> clap::Command {
        match self {
            Self::OpenInVm => InVm::command(),
            Self::OpenInDvm => InDvm::command(),
        }
    }

    /// The name of the command.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenInVm => "qvm-open-in-vm",
            Self::OpenInDvm => "qvm-open-in-dvm",
        }
    }

    pub(super) fn parse(
        self,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Request, Failure> {
        let (options, target, what) = match self {
            Self::OpenInVm => {
                let InVm { options, arguments } = parsed(arguments)?;
                let mut arguments = arguments.into_iter();
                let (target, what) = match (arguments.next(), arguments.next()) {
                    (Some(target), Some(what)) => (parse_target(&target)?, what),
                    (what, _) => (Target::default(), what.unwrap_or_default()),
                };
                (options, target, what)
            }
            Self::OpenInDvm => {
                let InDvm { options, what } = parsed(arguments)?;
                (options, Target::Disposable(None), what)
            }
        };
        Ok(Request {
            target,
            what: What::parse(what)?,
            limit: Limit {
                view_only: options.view_only,
                max_bytes: options.max_answer_bytes,
            },
            gui: options.gui,
            backup: options.backup,
            diff: options.diff,
            verbose: options.verbose,
            quiet: options.quiet,
            timeout: options.timeout,
        })
    }
}

fn parsed<A: CommandFactory + FromArgMatches>(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<A, Failure> {
    A::command()
        .try_get_matches_from(arguments)
        .and_then(|matches| A::from_arg_matches(&matches))
        .map_err(command_line(A::command()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn parse(command: Command, arguments: &[&str]) -> Result<Request, Failure> {
        let name = [command.name()];
        command.parse(name.iter().chain(arguments).map(OsString::from))
    }

    fn file(path: &str) -> What {
        What::File(PathBuf::from(path))
    }

    #[test]
    fn the_two_commands_differ_in_who_names_the_qube() {
        let request = parse(Command::OpenInVm, &["vault", "a.odt"]).unwrap();
        assert_eq!(
            (&*request.target.to_string(), request.what),
            ("vault", file("a.odt"))
        );
        let request = parse(Command::OpenInDvm, &["--view-only", "--", "-rf"]).unwrap();
        assert_eq!(
            (&*request.target.to_string(), request.what),
            ("@dispvm", file("-rf"))
        );
        assert!(request.limit.view_only);
        let limit = ["--max-answer-bytes", "5", "x"];
        let request = parse(Command::OpenInDvm, &limit).unwrap();
        assert_eq!(request.limit.max_bytes, Some(5));
    }

    #[test]
    fn without_a_qube_dom0_asks() {
        for arguments in [&["a.odt"][..], &["--", "a.odt"], &["--view-only", "a.odt"]] {
            let request = parse(Command::OpenInVm, arguments).unwrap();
            assert_eq!(&*request.target.to_string(), "@default", "{arguments:?}");
            assert_eq!(request.what, file("a.odt"));
        }
        let request = parse(Command::OpenInVm, &["--", "-a.odt"]).unwrap();
        assert_eq!(request.what, file("-a.odt"));
        let request = parse(Command::OpenInVm, &["--", "work", "-a.odt"]).unwrap();
        assert_eq!(
            (&*request.target.to_string(), request.what),
            ("work", file("-a.odt"))
        );
    }

    #[test]
    fn an_option_that_is_given_twice_is_given_once() {
        for command in Command::ALL {
            let twice = ["--view-only", "--gui", "--view-only", "--gui", "a"];
            let request = parse(command, &twice).unwrap();
            assert!(request.limit.view_only && request.gui);
            let limits = ["--max-answer-bytes=1", "--max-answer-bytes=2", "a"];
            let request = parse(command, &limits).unwrap();
            assert_eq!(request.limit.max_bytes, Some(2));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error() {
        for arguments in [
            &[][..],
            &["--"],
            &["vault", "a", "b"],
            &["", "a"],
            &["--", "-x", "a"],
            &["--unknown", "vault", "a"],
            &["vault", "-a"],
            &["vault", "http://a\nb"],
        ] {
            let ending = parse(Command::OpenInVm, arguments).unwrap_err();
            assert_eq!(ending.status(), 2, "{arguments:?}");
        }
    }
}
