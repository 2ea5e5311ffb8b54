//! The command lines of the programs that set the clock.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use program::command_line::time;

/// Set the clock to the time on stdin: the service qubes.SetDateTime.
///
/// The program reads one line from stdin, such as 2026-11-26T01:27:46+00:00. Half of the time that the
/// line took to arrive is added. If the clock is less than 2 s off, the kernel corrects it slowly, so
/// that time never runs backwards; otherwise the clock is set.
#[derive(Debug, Parser)]
#[command(name = "qubes-sync-clock", version, after_help = STATUS)]
#[command(override_usage = "qubes-sync-clock [--dry-run] [--timeout TIME] < LINE")]
pub struct SyncClock {
    /// Do not change the clock; say on stderr what would be done
    #[arg(long)]
    pub dry_run: bool,

    /// The longest time to wait for the line
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub timeout: Duration,

    /// Must be empty: the service takes no argument
    #[arg(hide = true, value_parser = crate::args::no_argument)]
    pub argument: Option<OsString>,
}

/// Ask dom0 for the time, and set the clock to it.
///
/// The program calls the service qubes.GetDate of dom0. The policy of dom0 can send the call to the
/// qube whose clock is right. Half of the time that the call takes is added to the answer. If the clock
/// is less than 2 s off, the kernel corrects it slowly, so that time never runs backwards; otherwise
/// the clock is set.
#[derive(Debug, Parser)]
#[command(name = "qvm-sync-clock", version, after_help = STATUS_OF_CALL)]
pub struct AskForTime {
    /// Do not change the clock; say on stderr what would be done
    #[arg(long)]
    pub dry_run: bool,

    /// The longest time that the call can take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub timeout: Duration,
}

/// Set the clock by the network: the service qubes.SyncNtpClock.
///
/// The program uses the time service that runs in this qube: chrony, systemd-timesyncd or ntpd. It has
/// the service ask its servers, and ends when the clock is right.
#[derive(Debug, Parser)]
#[command(name = "qubes-sync-ntp-clock", version, after_help = STATUS_OF_NTP)]
pub struct SyncNtpClock {
    /// The longest time to wait until the clock is right
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = time)]
    pub timeout: Duration,

    /// Must be empty: the service takes no argument
    #[arg(hide = true, value_parser = crate::args::no_argument)]
    pub argument: Option<OsString>,
}

const STATUS: &str = "\
Exit status:
  0   the clock is right, or is being corrected
  1   the line is not a time, cannot be right or is late, or the clock cannot be set
  2   the command line is wrong";

const STATUS_OF_CALL: &str = "\
Exit status:
  0      the clock is right, or is being corrected
  1      the answer is not a time, cannot be right or is late, or the clock cannot be set
  2      the command line is wrong
  126    the call is denied
  other  the status of the call";

const STATUS_OF_NTP: &str = "\
Exit status:
  0   the clock is right
  1   no time service runs in this qube, or it did not reach a server in time
  2   the command line is wrong";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_lines_are_well_formed() {
        SyncClock::command().debug_assert();
        AskForTime::command().debug_assert();
        SyncNtpClock::command().debug_assert();
    }

    #[test]
    fn the_services_have_no_argument() {
        let parsed = |argument: &str| {
            let line = ["qubes-sync-clock", "--", argument];
            SyncClock::try_parse_from(line)
        };
        assert!(parsed("").is_ok());
        assert!(parsed("nanoseconds").is_err());
        assert!(parsed("--dry-run").is_err());
    }
}
