//! The command line.

use clap::{Parser, Subcommand};

/// Make of the keys of QubesDB what the programs of this qube look for.
///
/// The services of this qube become files, and so do its type and what it keeps. Its name, its time
/// zone and the random seed of dom0 are set. What is not understood is said and left alone.
#[derive(Debug, Parser)]
#[command(name = "qubes-config", version, after_help = AFTER_HELP)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What the program is to do.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Apply all keys, and say on stderr what changed, a line each
    Apply(Apply),
}

/// How the keys are applied.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Apply {
    /// Stay, and apply every change of a key
    #[arg(long)]
    pub watch: bool,

    /// Leave the random seed of dom0 to another program
    #[arg(long)]
    pub without_seed: bool,

    /// Leave the name of the host and the time zone as they are
    #[arg(long)]
    pub without_names: bool,

    /// How long to wait for QubesDB
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,

    /// How long to wait for the random seed, at the first time since the start of this qube
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub seed_wait: u64,
}

const AFTER_HELP: &str = "\
Exit status:
  0  all keys are applied, or said
  1  the type of this qube or what it keeps is not understood, or a step failed
  2  the command line is wrong

Environment:
  QUBESDB_DIR    the folder of the sockets of QubesDB
  NOTIFY_SOCKET  with --watch: where READY=1 is told to systemd when all keys are applied";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
        let parse = |line: &str| Args::try_parse_from(line.split(' '));
        let Command::Apply(apply) = parse("x apply").unwrap().command;
        assert!(!apply.watch && !apply.without_seed);
        let Command::Apply(apply) = parse("x apply --watch --without-seed").unwrap().command;
        assert!(apply.watch && apply.without_seed);
        for wrong in [
            "x",
            "x watch",
            "x apply x",
            "x apply --wait -1",
            "x apply --wait x",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
