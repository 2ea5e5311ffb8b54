//! `qopen-in-vm [--view-only] [--max-answer-bytes N] [--] FILE`

use std::path::PathBuf;

use clap::Parser;
use qopen_client::Limit;

/// Sends FILE to be opened in another qube and takes the change back. Started by qrexec as a local
/// program: stdin and stdout are joined to the service qubes.OpenInVM.
#[derive(Debug, Parser)]
#[command(name = "qopen-in-vm", version)]
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

impl Args {
    pub(crate) fn limit(&self) -> Limit {
        Limit {
            view_only: self.view_only,
            max_bytes: self.max_answer_bytes,
        }
    }
}
