//! `qopen-in-vm [--view-only] [--max-answer-bytes N] [--] FILE`

use std::path::PathBuf;

use clap::Parser;
use qopen_client::Limit;

/// Send a file to be opened in another qube, and take the change back
///
/// Started by qrexec as a local program: stdin and stdout are joined to the service qubes.OpenInVM.
/// It never learns how the service ended, so it keeps the content before as FILE~. People use
/// qvm-open-in-vm, which does learn it.
#[derive(Debug, Parser)]
#[command(name = "qopen-in-vm", version, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Only look at the file: whatever comes back is dropped
    #[arg(long)]
    view_only: bool,

    /// Longest answer that is taken, in bytes [default: 4 times the file and 1 GiB]
    #[arg(long, value_name = "N")]
    max_answer_bytes: Option<u64>,

    /// The file to open
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

const AFTER_HELP: &str = "\
Exit status:
      0  FILE has the new content, or nothing came back
      1  FILE is as it was; why, and where the edit is, is said on stderr
      2  the command line is wrong
  128+N  ended by the signal N";

impl Args {
    pub(crate) fn limit(&self) -> Limit {
        Limit {
            view_only: self.view_only,
            max_bytes: self.max_answer_bytes,
        }
    }
}
