//! The command line.

use std::path::PathBuf;

use clap::Parser;
use firewall::Client;

/// Keep the firewall rules of the qubes behind this one.
///
/// Reads the rules from QubesDB, where dom0 writes them, and has the kernel enforce them, until it
/// is told to end. What is not understood about an address blocks that address, and only that.
#[derive(Debug, Parser)]
#[command(name = "qubes-firewall", version, after_help = AFTER_HELP)]
pub struct Args {
    /// Print what nft would be given for the rules in FILE ("-": stdin), or what is wrong with them
    #[arg(long, value_name = "FILE", conflicts_with = "legacy")]
    pub check: Option<PathBuf>,

    /// With --check: the address that rules without one are for
    #[arg(long, value_name = "ADDRESS", requires = "check", default_value = "10.137.0.5",
          value_parser = address)]
    pub address: Client,

    /// Apply the rules of Qubes OS 3.x in place of those of 4.x
    #[arg(long)]
    pub legacy: bool,

    /// Look up names, for the agent at the other end of stdin
    #[arg(long, hide = true, conflicts_with_all = ["check", "legacy"])]
    pub resolver: bool,

    /// As --resolver, in the process that speaks to DNS servers
    #[arg(long, hide = true, conflicts_with_all = ["check", "legacy", "resolver"])]
    pub resolver_worker: bool,

    /// Show notices to the user, for the agent at the other end of stdin
    #[arg(long, hide = true, conflicts_with_all = ["check", "legacy", "resolver"])]
    pub notices: bool,
}

const AFTER_HELP: &str = "\
FILE has a rule on each line, and policy=accept or policy=drop on a line of its own (drop where \
none is there); or the lines that \"qubesdb-multiread -f /qubes-firewall/\" prints.

Signals:
  SIGHUP   read all rules again, and look up all names again
  SIGTERM  take the tables away, and end: everything passes that no other table forbids
  SIGINT   end, and leave the tables: what is established goes on, and nothing new changes

Exit status:
  0   it was told to end; of --check: there is no error
  1   it cannot start, or cannot go on; of --check: an address would be blocked
  2   the command line is wrong

Environment:
  QUBESDB_DIR    the folder of the sockets of QubesDB
  NOTIFY_SOCKET  where READY=1 is told to systemd";

fn address(text: &str) -> Result<Client, String> {
    Client::parse(text.as_bytes()).ok_or_else(|| "this is no address".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
        let parse = |line: &[&str]| Args::try_parse_from([&["qubes-firewall"], line].concat());
        assert!(!parse(&[]).unwrap().legacy);
        assert!(parse(&["--check", "-", "--address", "fd09::5"]).is_ok());
        for wrong in [
            &["--address", "fd09::5"][..],
            &["--check", "-", "--legacy"],
            &["--check", "-", "--address", "fe80::1%eth0"],
            &["x"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
