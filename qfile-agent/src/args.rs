//! The command line.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::time::Duration;

use clap::Parser;
use qfile_walk::Links;

/// Send files and folders to another qube: the sending end of qubes.Filecopy
///
/// Writes a qfile stream to stdout and reads the receiver's verdict from stdin. It is started by
/// qrexec; people use qvm-copy.
#[derive(Debug, Parser)]
#[command(name = "qfile-agent", version, args_override_self = true, after_help = ENVIRONMENT)]
pub(crate) struct Args {
    /// Leave symbolic links out
    #[arg(long, overrides_with = "dereference")]
    ignore_symlinks: bool,

    /// Send what symbolic links point to in their place
    #[arg(long, overrides_with = "ignore_symlinks")]
    dereference: bool,

    /// Write what became of the copy to the inherited descriptor N, as one line: STATUS MESSAGE.
    /// Whoever reads it shows it: with PROGRESS_TYPE=gui there is no window for a failure then
    #[arg(long, value_name = "N")]
    pub(crate) result_fd: Option<RawFd>,

    /// Write what was sent to the inherited descriptor N once the receiver has confirmed it
    #[arg(long, value_name = "N")]
    pub(crate) manifest: Option<RawFd>,

    /// Wait no longer than this for the receiver to confirm what it got [default: no limit]
    #[arg(long, value_name = "SECONDS")]
    verdict_timeout: Option<u64>,

    /// Files and folders to send; each arrives under its last component
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<OsString>,
}

const ENVIRONMENT: &str = "\
Environment:
  PROGRESS_TYPE=console   show progress on stderr, of FILECOPY_TOTAL_BYTES if that is set
  PROGRESS_TYPE=gui       write the bytes sent to the descriptor whose number is SAVED_FD_1,
                          and show failures in a dialog

Exit status:
  0   everything was sent and confirmed
  1   the copy failed
  2   the command line is wrong
  3   what was sent is confirmed, but something was left out
  32  cancelled";

impl Args {
    pub(crate) fn links(&self) -> Links {
        match (self.ignore_symlinks, self.dereference) {
            (true, _) => Links::Ignore,
            (_, true) => Links::Follow,
            _ => Links::Send,
        }
    }

    pub(crate) fn verdict_timeout(&self) -> Option<Duration> {
        self.verdict_timeout.map(Duration::from_secs)
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
