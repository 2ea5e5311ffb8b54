//! The command line.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::Path;

use clap::{Parser, Subcommand};

use crate::interface::{Client, Name};
use crate::keys::Mac;

/// Set up the network of this qube, as dom0 wrote it to QubesDB.
///
/// All values are checked before anything is changed. If a value is not valid, a message names its
/// key, and nothing is set up. Each command may be repeated: the second time changes nothing.
#[derive(Debug, Parser)]
#[command(name = "qubes-network", version, override_usage = FORMS, after_help = AFTER_HELP)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What the program is to do.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Set up the interface to the qube that provides network, or take it down
    SetupIp {
        /// Set it up, or take it down
        #[command(subcommand)]
        action: SetupIp,
    },
    /// Make the tables, closed: what comes from a qube behind this one is dropped until it is added
    Start,
    /// Permit or forbid a qube behind this one to use its interface
    Client {
        /// add permits it, remove forbids it
        #[command(subcommand)]
        action: OfClient,
    },
    /// Send the DNS requests of the qubes behind this one to the name servers of this qube
    Dns,
}

/// What becomes of the interface of this qube.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum SetupIp {
    /// Give it the addresses, routes and name servers that QubesDB has
    Add {
        /// The interface, such as eth0
        interface: Name,
    },
    /// Take away its addresses and routes, and switch it off
    Remove {
        /// The interface
        interface: Name,
    },
}

/// What becomes of the interface of a qube behind this one.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum OfClient {
    /// Let packets through that have one of these addresses, and no others
    Add {
        /// The interface: vifDOMAIN.NUMBER
        interface: Client,
        /// The addresses of the qube
        #[arg(required = true, value_parser = address)]
        addresses: Vec<IpAddr>,
        /// The MAC address of the qube's end, so that it need not be asked for
        #[arg(long)]
        mac: Option<Mac>,
    },
    /// Let nothing through any more
    Remove {
        /// The interface
        interface: Client,
    },
}

const FORMS: &str = "\
qubes-network setup-ip add|remove INTERFACE
       qubes-network start
       qubes-network client add [--mac=MAC] INTERFACE ADDRESS...
       qubes-network client remove INTERFACE
       qubes-network dns";

const AFTER_HELP: &str = "\
Called \"setup-ip\", the program does what setup-ip does. Called \"qubes-setup-dnat-to-ns\", it does \
what dns does.

Exit status:
  0    it is done
  1    it is not: a value is not understood, or a step failed
  2    the command line is wrong
  100  of dns: there was nothing to change

Environment:
  QUBESDB_DIR  the folder of the sockets of QubesDB";

/// The arguments of this process, with the command that its name stands for.
pub(crate) fn arguments(all: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut all = all.into_iter();
    let name = all.next().unwrap_or_default();
    let command = match Path::new(&name).file_name().and_then(|name| name.to_str()) {
        Some("setup-ip") => Some("setup-ip"),
        Some("qubes-setup-dnat-to-ns") => Some("dns"),
        _ => None,
    };
    let command = command.map(OsString::from);
    [name].into_iter().chain(command).chain(all).collect()
}

fn address(text: &str) -> Result<IpAddr, String> {
    crate::keys::host(text.as_bytes()).map_err(str::to_owned)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let words = line.split(' ').map(OsString::from);
        Args::try_parse_from(arguments(words)).map(|args| args.command)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
        let add = parse("qubes-network setup-ip add eth0").unwrap();
        assert_eq!(parse("/usr/lib/qubes/setup-ip add eth0").unwrap(), add);
        assert_eq!(
            parse("/usr/lib/qubes/qubes-setup-dnat-to-ns").unwrap(),
            Command::Dns
        );
        assert!(parse("x client add vif1.0 10.137.0.5 fd09::5 --mac 00:16:3e:5e:6c:00").is_ok());
        for wrong in [
            "x",
            "x setup-ip",
            "x setup-ip add",
            "x setup-ip add ../eth0",
            "x setup-ip add -x",
            "x client add eth0 10.137.0.5",
            "x client add vif1.0",
            "x client add vif1.0 127.0.0.1",
            "x client add vif1.0 10.137.0.5/32",
            "x client add vif1.0 10.137.0.5 --mac 00:16",
            "x dns now",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
