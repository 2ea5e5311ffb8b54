//! The command line.

use std::path::PathBuf;

use clap::Parser;
use qfile_proto::QubeName;

/// Store and serve the QubesDB of a qube.
///
/// QubesDB is a small store of keys and values. With NAME, the daemon runs in dom0 for the qube
/// NAME, and DOMID is the domain number of that qube. Without NAME, it runs in a qube, and
/// DOMID is the domain number of dom0. Both daemons store the same data: each sends the other
/// what local programs write. With --alone, or with DOMID 0 and a NAME, there is no other
/// daemon.
///
/// The two daemons are connected by a Unix socket instead of a Xen vchan. This daemon is
/// therefore for tests and for machines without Xen. A qube of Qubes OS needs the daemon of
/// Qubes OS. The commands of qfile work with both.
#[derive(Debug, Parser)]
#[command(name = "qubesdb-daemon", version, after_help = AFTER_HELP)]
pub struct Args {
    /// Mode of the read-write socket, an octal number
    #[arg(long, value_name = "MODE", default_value = "666", value_parser = mode)]
    pub rw_socket_perms: u32,

    /// Use the file names of the daemon of a qube, and connect to no other daemon
    #[arg(long, conflicts_with = "name")]
    pub alone: bool,

    /// Stay in the foreground, and write READY=1 to stdout when the daemon serves clients
    #[arg(long)]
    pub foreground: bool,

    /// End when stdin ends
    #[arg(long, requires = "foreground")]
    pub end_with_stdin: bool,

    /// In a qube: how long clients wait for the data of dom0 before they are served without it
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub first_sync: u64,

    /// In a qube: after a reconnect, remove the keys that dom0 no longer has. This includes
    /// keys that programs of this qube have written
    #[arg(long)]
    pub drop_missing: bool,

    /// Number of the other domain
    #[arg(value_name = "DOMID")]
    pub domid: u32,

    /// In dom0: the name of the qube
    #[arg(value_name = "NAME", value_parser = qube_name)]
    pub name: Option<QubeName>,
}

const AFTER_HELP: &str = "\
Without NOTIFY_SOCKET and --foreground, the daemon runs in the background. The program that was \
started then exits with 0 as soon as the daemon serves clients.

Exit status:
  0   SIGTERM, SIGINT or --end-with-stdin ended the daemon, or it runs in the background
  1   the daemon cannot start, or cannot continue
  2   the command line is wrong

Environment:
  QUBESDB_DIR       the folder of the sockets, the pid file and the log
  VCHAN_SOCKET_DIR  the folder of the sockets that connect two daemons
  VCHAN_DOMAIN      the domain number of this machine
  NOTIFY_SOCKET     the socket on which READY=1 is sent to systemd";

/// Where a daemon in the background writes its messages, where `QUBESDB_DIR` is not set.
pub const LOG_FOLDER: &str = "/var/log/qubes";

impl Args {
    /// The file for messages of a daemon in the background.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        let folder = match std::env::var_os(qubesdb::FOLDER_VARIABLE) {
            Some(folder) if !folder.is_empty() => folder.into(),
            _ => PathBuf::from(LOG_FOLDER),
        };
        let name = self.name.as_ref().map_or("dom0", QubeName::as_str);
        folder.join(format!("qubesdb.{name}.log"))
    }
}

fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("a mode is an octal number from 0 to 777".to_owned()),
    }
}

fn qube_name(text: &str) -> Result<QubeName, String> {
    QubeName::parse(text.as_bytes()).ok_or_else(|| "no qube has such a name".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &[&str]) -> Option<Args> {
        Args::try_parse_from([&["qubesdb-daemon"], line].concat()).ok()
    }

    #[test]
    fn the_command_line_is_that_of_qubes_os_and_more() {
        Args::command().debug_assert();
        let args = parse(&["--rw-socket-perms=660", "5", "work"]).unwrap();
        assert_eq!((args.rw_socket_perms, args.domid), (0o660, 5));
        assert_eq!(args.name.as_ref().unwrap().as_str(), "work");
        assert_eq!(parse(&["0"]).unwrap().name, None);
        for wrong in [
            &[][..],
            &["x"],
            &["0", "../x"],
            &["0", "a", "b"],
            &["--rw-socket-perms=8", "0"],
            &["--rw-socket-perms=1777", "0"],
            &["--alone", "0", "work"],
            &["--end-with-stdin", "0"],
        ] {
            assert!(parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
