//! `qvm-open-in-vm [--view-only] [--gui] [--max-answer-bytes N] [--] QUBE FILE-OR-URL`;
//! `qvm-open-in-dvm` takes no QUBE.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser};
use qopen_client::Limit;

use crate::args::Target;
use crate::ending::Ending;

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
}

/// What is to be opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A file of this qube, and what the user makes of it comes back.
    File(PathBuf),
    /// An address; nothing comes back.
    Url(String),
}

/// Open a file or an address in another qube
///
/// Opens FILE in QUBE, waits until the user has finished with it there, and brings the change back.
/// An address (http://, https://, ftp://) is opened in the browser there.
#[derive(Debug, Parser)]
#[command(name = "qvm-open-in-vm", version, after_help = AFTER_HELP)]
#[command(override_usage = "qvm-open-in-vm [OPTIONS] [--] QUBE FILE-OR-URL")]
struct InVm {
    #[command(flatten)]
    options: Options,

    /// A name, @default (dom0 asks), @dispvm (a new disposable) or @dispvm:TEMPLATE
    #[arg(value_name = "QUBE")]
    target: OsString,

    /// What to open
    #[arg(value_name = "FILE-OR-URL")]
    what: OsString,
}

/// Open a file or an address in a new disposable qube
///
/// Opens FILE in a new disposable qube, waits until the user has finished with it there, and brings
/// the change back. An address (http://, https://, ftp://) is opened in the browser there.
#[derive(Debug, Parser)]
#[command(name = "qvm-open-in-dvm", version, after_help = AFTER_HELP)]
#[command(override_usage = "qvm-open-in-dvm [OPTIONS] [--] FILE-OR-URL")]
struct InDvm {
    #[command(flatten)]
    options: Options,

    /// What to open
    #[arg(value_name = "FILE-OR-URL")]
    what: OsString,
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Only look at the file: whatever comes back is dropped
    #[arg(long)]
    view_only: bool,

    /// Show in a window, too, what is wrong or where the edit is
    #[arg(long)]
    gui: bool,

    /// Longest answer that is taken, in bytes [default: 4 times the file and 1 GiB]
    #[arg(long, value_name = "N")]
    max_answer_bytes: Option<u64>,
}

const AFTER_HELP: &str = "\
FILE is replaced only if all of the edit has come back and FILE has not changed meanwhile. Else the \
edit is kept beside it, and both are named.

Exit status:
      0  done: FILE has the edit, or nothing was changed
      1  FILE is as it was, or it was not opened; why is said on stderr
      2  the command line is wrong
    126  refused by dom0: by its policy or by the user
  128+N  ended by the signal N";

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
    ) -> Result<Request, Ending> {
        let (options, target, what) = match self {
            Self::OpenInVm => {
                let InVm {
                    options,
                    target,
                    what,
                } = parsed(arguments)?;
                (options, Target::parse(&target)?, what)
            }
            Self::OpenInDvm => {
                let InDvm { options, what } = parsed(arguments)?;
                (options, Target::disposable(), what)
            }
        };
        Ok(Request {
            target,
            what: What::from(what)?,
            limit: Limit {
                view_only: options.view_only,
                max_bytes: options.max_answer_bytes,
            },
            gui: options.gui,
        })
    }
}

fn parsed<A: CommandFactory + FromArgMatches>(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<A, Ending> {
    A::command()
        .try_get_matches_from(arguments)
        .and_then(|matches| A::from_arg_matches(&matches))
        .map_err(Ending::command_line)
}

impl What {
    fn from(argument: OsString) -> Result<Self, Ending> {
        if !is_url(argument.as_encoded_bytes()) {
            return Ok(Self::File(argument.into()));
        }
        // It is sent as one line.
        match argument.into_string() {
            Ok(url) if !url.contains(char::is_control) => Ok(Self::Url(url)),
            _ => Err(Ending::usage(
                "the address has bytes that an address cannot have\nwrite them as % and two digits, such as %20",
            )),
        }
    }
}

/// `[A-Za-z][A-Za-z0-9+]*://…`
fn is_url(argument: &[u8]) -> bool {
    let scheme_ends = argument.windows(3).position(|three| three == b"://");
    let Some(scheme) = scheme_ends.map(|end| &argument[..end]) else {
        return false;
    };
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'+')
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn parse(command: Command, arguments: &[&str]) -> Result<Request, Ending> {
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
            (request.target.as_str(), request.what),
            ("vault", file("a.odt"))
        );
        let request = parse(Command::OpenInDvm, &["--view-only", "--", "-rf"]).unwrap();
        assert_eq!(
            (request.target.as_str(), request.what),
            ("@dispvm", file("-rf"))
        );
        assert!(request.limit.view_only);
        let limit = ["--max-answer-bytes", "5", "x"];
        let request = parse(Command::OpenInDvm, &limit).unwrap();
        assert_eq!(request.limit.max_bytes, Some(5));
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error() {
        for arguments in [
            &[][..],
            &["vault"],
            &["vault", "a", "b"],
            &["", "a"],
            &["--", "-x", "a"],
            &["--unknown", "vault", "a"],
            &["vault", "-a"],
            &["vault", "http://a\nb"],
        ] {
            let ending = parse(Command::OpenInVm, arguments).unwrap_err();
            assert_eq!(ending.status, 2, "{arguments:?}");
        }
        let latin1 = OsString::from_vec(b"http://\xE9".to_vec());
        assert_eq!(What::from(latin1).unwrap_err().status, 2);
    }

    #[test]
    fn an_address_is_told_from_a_file_by_its_scheme() {
        for url in ["http://x", "svn+ssh://x", "a1://", "HTTPS://x"] {
            assert_eq!(What::from(url.into()).unwrap(), What::Url(url.to_owned()));
        }
        for path in [
            "1a://x",
            "://x",
            "a b://x",
            "./http://x",
            "http:/x",
            "a-b://x",
            "é://x",
        ] {
            assert_eq!(What::from(path.into()).unwrap(), file(path));
        }
    }
}
