//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Report to dom0 how much memory this qube uses.
///
/// The report is the key memory/meminfo of XenStore. It is written when it has moved by more than
/// THRESHOLD_KB since the last one, or, if most of the memory is used, risen by more than half of
/// that. Whoever writes it promises to give memory back when dom0 asks for it.
///
/// With PIDFILE, nothing is written before SIGUSR1.
#[derive(Clone, Debug, Parser)]
#[command(name = "meminfo-writer", version, after_help = AFTER_HELP)]
pub struct Args {
    /// By how many kB the memory in use has to move before it is reported again
    #[arg(value_name = "THRESHOLD_KB")]
    pub threshold: u64,

    /// How long to wait before looking again, in microseconds. While nothing moves, it becomes
    /// longer, up to 0.9 s
    #[arg(value_name = "DELAY_US", value_parser = clap::value_parser!(u64).range(1..=MAX_DELAY))]
    pub delay: u64,

    /// Write the number of the process in the background here, and wait for SIGUSR1 before the
    /// first report
    #[arg(value_name = "PIDFILE")]
    pub pid_file: Option<PathBuf>,

    /// The format of the report: that of Qubes OS 4.x, or of 3.x
    #[arg(long, value_name = "VERSION", value_enum, default_value_t = Format::Four)]
    pub format: Format,

    /// Stay in the foreground. PIDFILE gets the number of this process
    #[arg(long)]
    pub foreground: bool,

    /// Be the process in the background, and say on stdout when it works
    #[arg(long, hide = true, conflicts_with = "foreground")]
    pub worker: bool,
}

/// Longest delay in microseconds: an hour.
const MAX_DELAY: u64 = 3_600_000_000;

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The memory in use in kB, one number.
    #[value(name = "4")]
    Four,
    /// Six lines of /proc/meminfo. dom0 of Qubes OS 4.x does not understand it.
    #[value(name = "3")]
    Three,
}

/// The environment variable that names the device or the socket of XenStore.
pub(crate) const XENSTORE_VARIABLE: &str = "XENSTORED_PATH";

/// The device where [`XENSTORE_VARIABLE`] names no other.
pub(crate) const XENSTORE: &str = "/dev/xen/xenbus";

const AFTER_HELP: &str = "\
Exit status:
  0  the program works in the background
  1  the command line is wrong, or XenStore cannot be written to

Environment:
  XENSTORED_PATH  the device or the socket of XenStore, instead of /dev/xen/xenbus";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_that_of_qubes_os_and_more() {
        Args::command().debug_assert();
        let parse = |line: &str| Args::try_parse_from(line.split(' '));
        let args = parse("x 30000 100000 /run/meminfo-writer.pid").unwrap();
        assert_eq!((args.threshold, args.delay), (30_000, 100_000));
        assert_eq!(args.pid_file, Some("/run/meminfo-writer.pid".into()));
        assert_eq!(args.format, Format::Four);
        assert_eq!(parse("x 1 1 --format=3").unwrap().format, Format::Three);
        for wrong in [
            "x",
            "x 1",
            "x 1 0",
            "x -1 1",
            "x 1 -1",
            "x 1k 1",
            "x 1 1.5",
            "x 1 3600000001",
            "x 18446744073709551616 1",
            "x 1 1 file more",
            "x 1 1 --format=5",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
