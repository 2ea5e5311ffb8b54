//! How the daemon starts, and how it says that it has.

use std::env;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use program::failure::Failure;
use program::systemd::{READY, Systemd};

use crate::args::Args;

/// Who waits for the daemon.
#[derive(Debug)]
pub(crate) enum Listener {
    /// systemd.
    Systemd(Systemd),
    /// Whoever reads stdout.
    Stdout,
}

impl Listener {
    /// Who waits for this process; `None`: whoever started it waits for its end, so that another
    /// process has to become the daemon.
    pub(crate) fn of(args: &Args) -> Option<Self> {
        match args.foreground {
            true => Some(Self::Stdout),
            false => Systemd::from_environment().map(Self::Systemd),
        }
    }

    /// Tells that clients are served.
    pub(crate) fn tell(&self) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                writeln!(stdout, "{READY}").and_then(|()| stdout.flush())
            }
            Self::Systemd(systemd) => systemd.tell(READY),
        }
    }
}

/// Starts the daemon in the background: this program again, in the foreground of a session of its
/// own. Waits until it serves clients.
pub(crate) fn start_in_background(args: &Args) -> Result<(), Failure> {
    let path = args.log_file();
    let log = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|error| {
            Failure::new(format_args!("cannot open the log {}", text::file(&path)))
                .because(error)
                .advise("start it with --foreground, or set QUBESDB_DIR")
        })?;
    let program = "/proc/self/exe";
    let mut daemon = Command::new(program)
        .arg("--foreground")
        .args(env::args_os().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(Failure::of("cannot start the daemon"))?;
    let mut line = String::new();
    if let Some(stdout) = daemon.stdout.take() {
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(Failure::of("cannot hear from the daemon"))?;
    }
    if line.trim_end() == READY {
        return Ok(());
    }
    let status = daemon
        .wait()
        .map_err(Failure::of("cannot wait for the daemon"))?;
    let log = text::file(&path);
    Err(Failure::new("cannot start the daemon")
        .because(format_args!("it ended: {status}"))
        .advise(format_args!("its messages are in {log}")))
}
