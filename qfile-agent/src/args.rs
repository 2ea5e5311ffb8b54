//! The command line.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::time::Duration;

use clap::Parser;
use walk::{BadPattern, Exclude, Links};

/// Send files and folders to another qube: the sender of qubes.Filecopy
///
/// The program writes a qfile stream to stdout and reads the receiver's verdict from stdin.
/// qrexec starts this program. Users run qvm-copy(1) instead.
#[derive(Debug, Parser)]
#[command(name = "qfile-agent", version, args_override_self = true, after_help = ENVIRONMENT)]
pub struct Args {
    /// Leave out symbolic links
    #[arg(long, overrides_with = "dereference")]
    ignore_symlinks: bool,

    /// Send the files that symbolic links point to, instead of the links
    #[arg(long, overrides_with = "ignore_symlinks")]
    dereference: bool,

    /// Leave out and list what the receiver would refuse: links that could lead out of the
    /// folder that is sent, and names and link targets that are too long
    #[arg(long)]
    pub(crate) skip_refused: bool,

    /// Leave out files, folders and links whose name matches the pattern GLOB, or, if GLOB contains
    /// a slash, whose path below its PATH matches. A slash at the end of GLOB restricts it to
    /// folders. The option can be repeated
    #[arg(long, value_name = "GLOB", allow_hyphen_values = true)]
    exclude: Vec<OsString>,

    /// Send the only PATH under the name NAME
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<OsString>,

    /// Send the content of the regular file that is the inherited descriptor N, instead of PATH,
    /// under the name NAME
    #[arg(long, value_name = "N", requires = "name", conflicts_with = "paths")]
    pub(crate) content: Option<RawFd>,

    /// Name each file, folder and link on stderr when it has been sent
    #[arg(short, long, overrides_with = "quiet")]
    pub(crate) verbose: bool,

    /// Write no warnings to stderr, only what was left out and errors
    #[arg(short, long, overrides_with = "verbose")]
    pub(crate) quiet: bool,

    /// Begin the messages with the name of the qube QUBE
    #[arg(long, value_name = "QUBE")]
    pub(crate) name_qube: Option<OsString>,

    /// Write a line of JSON for each file, folder and link to the inherited descriptor N
    #[arg(long, value_name = "N")]
    pub(crate) entries: Option<RawFd>,

    /// Write the result of the copy to the inherited descriptor N, as one line: STATUS MESSAGE.
    /// With PROGRESS_TYPE=gui, the caller must show a failure, because this program shows no
    /// window for it
    #[arg(long, value_name = "N")]
    pub(crate) result_fd: Option<RawFd>,

    /// Write the list of sent files to the inherited descriptor N when the receiver has
    /// confirmed them
    #[arg(long, value_name = "N")]
    pub(crate) manifest: Option<RawFd>,

    /// If the copy stops, write the list of files that arrived to the inherited descriptor N
    #[arg(long, value_name = "N")]
    pub(crate) journal: Option<RawFd>,

    /// Continue a copy that stopped. Read its --journal from the inherited descriptor N, and
    /// leave out the files in it. Those that have changed since then are listed
    #[arg(long, value_name = "N")]
    pub(crate) landed: Option<RawFd>,

    /// Cancel the copy when all writers have closed the pipe whose reading end is the inherited
    /// descriptor N
    #[arg(long, value_name = "N")]
    pub(crate) cancel_fd: Option<RawFd>,

    /// The longest time to wait for the receiver's verdict [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = program::command_line::time)]
    verdict_timeout: Option<Duration>,

    /// The files and folders to send. Each arrives under the last component of its path
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<OsString>,
}

const ENVIRONMENT: &str = "\
Environment:
  PROGRESS_TYPE=console   show progress on stderr; the total is FILECOPY_TOTAL_BYTES, if set
  PROGRESS_TYPE=gui       write the number of sent bytes to the descriptor whose number is
                          SAVED_FD_1, and show failures in a window

Exit status:
  0   everything was sent and confirmed
  1   the copy failed
  2   the command line is wrong
  3   everything that was sent is confirmed, but something was left out; named pipes, sockets and
      devices count only with --result-fd or --manifest
  32  the copy was cancelled";

impl Args {
    pub(crate) fn links(&self) -> Links {
        match (self.ignore_symlinks, self.dereference) {
            (true, _) => Links::Ignore,
            (_, true) => Links::Follow,
            _ => Links::Send,
        }
    }

    /// What the user does not want.
    pub(crate) fn exclude(&self) -> Result<Option<Exclude>, BadPattern> {
        match self.exclude.is_empty() {
            true => Ok(None),
            false => Exclude::new(self.exclude.iter().cloned()).map(Some),
        }
    }

    /// True if a program that knows status 3 for what no stream carries has started this one. The C
    /// tool ends with 0 then, and its callers know no other success.
    pub(crate) fn is_called_by_ours(&self) -> bool {
        self.result_fd.is_some() || self.manifest.is_some()
    }

    pub(crate) fn verdict_timeout(&self) -> Option<Duration> {
        self.verdict_timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([&["qfile-agent"], line].concat())
    }

    #[test]
    fn the_command_line_is_well_formed() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn callers_of_the_c_tool_are_understood() {
        let table: [(&[&str], Links, &[&str]); 7] = [
            (&[], Links::Send, &[]),
            (&["a", "b"], Links::Send, &["a", "b"]),
            (&["--ignore-symlinks", "a"], Links::Ignore, &["a"]),
            (&["a", "--ignore-symlinks", "b"], Links::Ignore, &["a", "b"]),
            (&["--ignore-symlinks", "--", "a"], Links::Ignore, &["a"]),
            (
                &["--", "--ignore-symlinks"],
                Links::Send,
                &["--ignore-symlinks"],
            ),
            (
                &["--ignore-symlinks", "--ignore-symlinks", "--", "-a", ""],
                Links::Ignore,
                &["-a", ""],
            ),
        ];
        for (line, links, paths) in table {
            let args = parsed(line).unwrap();
            assert_eq!(args.links(), links, "{line:?}");
            assert_eq!(args.paths, paths, "{line:?}");
        }
    }

    #[test]
    fn the_last_of_two_that_conflict_wins() {
        let links = |line| parsed(line).unwrap().links();
        assert_eq!(
            links(&["--dereference", "--ignore-symlinks"]),
            Links::Ignore
        );
        assert_eq!(
            links(&["--ignore-symlinks", "--dereference"]),
            Links::Follow
        );
    }

    #[test]
    fn without_two_dashes_a_name_that_starts_with_one_is_a_mistake() {
        assert!(parsed(&["-a"]).is_err());
        assert!(parsed(&["a", "--no-such-option"]).is_err());
    }
}
