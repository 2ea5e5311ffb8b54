//! `qopen-in-vm [--view-only] [--max-answer-bytes N] [--] FILE`

use std::path::PathBuf;

use crate::Limit;
use clap::Parser;

/// Open a file in another qube and store the edit in this qube
///
/// qrexec starts this program as a local program, with stdin and stdout connected to the
/// service qubes.OpenInVM. The program cannot read the exit status of the service. If the
/// answer does not show whether it is complete, the program therefore saves the previous
/// content as FILE~. Users run qvm-open-in-vm(1) instead.
#[derive(Debug, Parser)]
#[command(name = "qopen-in-vm", version, after_help = AFTER_HELP, args_override_self = true)]
pub struct Args {
    /// Open the file for viewing only, and discard any answer
    #[arg(long)]
    view_only: bool,

    /// The longest accepted answer, in bytes, such as 10M or 2GiB [default: 4 times the length of
    /// FILE and 1 GiB]
    #[arg(long, value_name = "SIZE", value_parser = program::command_line::size)]
    max_answer_bytes: Option<u64>,

    /// The file to open
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

const AFTER_HELP: &str = "\
Exit status:
      0  FILE has the new content, or the file was not changed
      1  FILE was not replaced; stderr gives the reason, and names the saved edit
      2  the command line is wrong
  128+N  the program was ended by the signal N";

impl Args {
    pub(crate) fn limit(&self) -> Limit {
        Limit {
            view_only: self.view_only,
            max_bytes: self.max_answer_bytes,
        }
    }
}
