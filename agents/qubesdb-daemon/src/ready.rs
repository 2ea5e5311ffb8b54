//! How the daemon starts, and how it says that it has.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, ExitCode, Stdio};

use crate::args::Args;
use crate::error::Error;

/// What is told, to systemd (`sd_notify(3)`) and on stdout.
const READY: &str = "READY=1";

/// The variable by which systemd names its socket.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// Who waits for the daemon.
#[derive(Debug)]
pub(crate) enum Listener {
    /// systemd, at this socket.
    Systemd(OsString),
    /// Whoever reads stdout.
    Stdout,
}

impl Listener {
    /// Who waits for this process; `None`: whoever started it waits for its end, so that another
    /// process has to become the daemon.
    pub(crate) fn of(args: &Args) -> Option<Self> {
        let socket = env::var_os(VARIABLE).filter(|socket| !socket.is_empty());
        match socket {
            _ if args.foreground => Some(Self::Stdout),
            Some(socket) => Some(Self::Systemd(socket)),
            None => None,
        }
    }

    /// Tells that clients are served.
    pub(crate) fn tell(&self) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                writeln!(stdout, "{READY}").and_then(|()| stdout.flush())
            }
            Self::Systemd(socket) => {
                let address = match socket.as_bytes() {
                    [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
                    _ => SocketAddr::from_pathname(socket)?,
                };
                let datagram = UnixDatagram::unbound()?;
                datagram.send_to_addr(READY.as_bytes(), &address)?;
                Ok(())
            }
        }
    }
}

/// Starts the daemon in the background: this program again, in the foreground of a session of its
/// own. Waits until it serves clients.
pub(crate) fn start_in_background(args: &Args) -> Result<ExitCode, Error> {
    let path = args.log_file();
    let log = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|error| {
            let advice = "start it with --foreground, or set QUBESDB_DIR";
            Error::new("open the log", &path, error).advising(advice)
        })?;
    let program = "/proc/self/exe";
    let mut daemon = Command::new(program)
        .arg("--foreground")
        .args(env::args_os().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| Error::of_system("start the daemon", error))?;
    let mut line = String::new();
    if let Some(stdout) = daemon.stdout.take() {
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| Error::of_system("hear from the daemon", error))?;
    }
    if line.trim_end() == READY {
        return Ok(ExitCode::SUCCESS);
    }
    let status = daemon
        .wait()
        .map_err(|error| Error::of_system("wait for the daemon", error))?;
    let cause = io::Error::other(format!("it ended: {status}"));
    Err(Error::new(
        "start the daemon, whose messages are in",
        &path,
        cause,
    ))
}
