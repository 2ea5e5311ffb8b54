//! `qubes-fs-tree-check`: the survey alone, for scripts and file managers.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};
use program::failure::{FAILED, Failure, end};
use walk::{Arguments, Links};

use crate::copy::argument;
use crate::ending::{answer, command_line};
use crate::report;
use crate::survey::{Rules, Survey};

const NAME: &str = "qubes-fs-tree-check";

/// The exit status for names or link targets that are not safe for display.
const UNSAFE: u8 = 2;

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version,
    about = "Check whether files and folders can be copied to another qube",
    infer_long_args = true,
    args_override_self = true,
    after_help = AFTER_HELP,
)]
struct Typed {
    /// Print only the number of bytes to copy on stdout
    #[arg(long)]
    machine_readable: bool,
    /// Ignore symbolic links
    #[arg(long, overrides_with = "no_ignore_symlinks")]
    ignore_symlinks: bool,
    /// Also check symbolic links (default)
    #[arg(long, overrides_with = "ignore_symlinks")]
    no_ignore_symlinks: bool,
    /// Accept symbolic links that do not lead out of the folder that is copied
    #[arg(long, overrides_with = "no_allow_symlinks")]
    allow_symlinks: bool,
    /// Report any symbolic link as an error (default)
    #[arg(long, overrides_with = "allow_symlinks")]
    no_allow_symlinks: bool,
    /// Accept folders
    #[arg(long, overrides_with = "no_allow_directories")]
    allow_directories: bool,
    /// Report any folder as an error (default)
    #[arg(long, overrides_with = "allow_directories")]
    no_allow_directories: bool,
    /// Accept all names and link targets
    #[arg(long, overrides_with = "no_allow_all_names")]
    allow_all_names: bool,
    /// Report names and link targets that are not safe for display (default)
    #[arg(long, overrides_with = "allow_all_names")]
    no_allow_all_names: bool,
    /// The files and folders to check
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Long options may be abbreviated.

Exit status:
  0  all files can be copied
  1  a file cannot be copied, or the command line is wrong; stderr gives the reason
  2  a name or link target is not safe for display, and needs qubes.Filecopy+allow-all-names";

/// The definition of the command line.
#[must_use]
pub fn definition() -> clap::Command {
    Typed::command()
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    end(NAME, check(&arguments))
}

fn check(arguments: &[OsString]) -> Result<(), Failure> {
    let with_name = std::iter::once(OsString::from(NAME)).chain(arguments.iter().cloned());
    let typed = Typed::try_parse_from(with_name).map_err(wrong)?;
    let links = if typed.ignore_symlinks {
        Links::Ignore
    } else {
        Links::Send
    };
    let rules = Rules {
        links,
        forbid_links: !typed.allow_symlinks,
        forbid_folders: !typed.allow_directories,
        ..Rules::default()
    };
    // Here 2 does not stand for a wrong command line.
    let paths =
        Arguments::new(typed.paths).map_err(|error| argument(&error).with_status(FAILED))?;
    let survey = Survey::of(&paths, rules);
    if survey.prevents_copy() {
        return Err(Failure::new(report::refusals(&survey)));
    }
    if typed.machine_readable {
        answer(&survey.bytes.to_string())?;
    }
    if survey.needs_all_names() && !typed.allow_all_names {
        return Err(Failure::new(report::unsafe_names(&survey)).with_status(UNSAFE));
    }
    Ok(())
}

fn wrong(error: clap::Error) -> Failure {
    let is_wrong = error.use_stderr();
    let failure = command_line(definition())(error);
    match is_wrong {
        true => failure.with_status(FAILED),
        false => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_definition_is_sound() {
        definition().debug_assert();
    }
}
