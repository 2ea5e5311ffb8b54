//! The command line of ssh.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use program::failure::Failure;
use program::programs::find_in_path;
use qrexec::status::BROKEN;
use tokio::process::Command;

use crate::wire::Request;
use qrexec::Destination;

/// The variable that names a program to use in place of ssh.
const VARIABLE: &str = "QREXEC_SSH";

/// What ssh is told whatever ssh_config(5) says about the host: there, it may be set up for a person
/// at a terminal. The first value that ssh gets for an option is the one that counts.
const OPTIONS: [&str; 19] = [
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "Tunnel=no",
    "EscapeChar=none",
    "RequestTTY=no",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "LocalCommand=none",
    "StdinNull=no",
    "ForkAfterAuthentication=no",
    "SessionType=default",
    // No connection is shared: it would have the limits of the ssh that began it, which may be none,
    // and not those below. An ssh that begins one ends only after all others that share it.
    "ControlMaster=no",
    "ControlPath=none",
    // Until the session stands; key exchange and authentication are part of it. It counts for each
    // address of the host.
    "ConnectTimeout=30",
    "ConnectionAttempts=1",
    // ssh gives up one interval after the last answer that it missed: 45 s.
    "ServerAliveInterval=15",
    "ServerAliveCountMax=2",
    "TCPKeepAlive=yes",
];

/// How long the go-ahead may take where nobody is asked anything: a host may have many addresses.
pub(crate) const LIMIT: Duration = Duration::from_secs(50);

/// Finds ssh.
///
/// # Errors
/// There is none.
pub(crate) fn find() -> Result<PathBuf, Failure> {
    let missing =
        |attempted: String, advice| Err(Failure::new(attempted).advise(advice).with_status(BROKEN));
    match env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => {
            let path = PathBuf::from(path);
            let shown = text::file(&path);
            match path.is_absolute() && path.is_file() {
                true => Ok(path),
                false => missing(
                    format!("{VARIABLE} is {shown}, which is not the absolute path of a program"),
                    "unset it",
                ),
            }
        }
        None => find_in_path("ssh").map_or_else(
            || {
                missing(
                    "there is no ssh in PATH".to_owned(),
                    "install the package openssh-client (Fedora: openssh-clients)",
                )
            },
            Ok,
        ),
    }
}

/// The command that asks the machine `destination`, and how long its answer may take.
#[must_use]
pub(crate) fn command(
    ssh: &Path,
    destination: &Destination,
    request: &Request,
) -> (Command, Option<Duration>) {
    let mut command = Command::new(ssh);
    command.arg("-T");
    for option in OPTIONS {
        command.args(["-o", option]);
    }
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    // A person may need any time to answer a question.
    let limit = terminal.is_err().then_some(LIMIT);
    if limit.is_some() {
        // Nobody could answer one.
        command.args(["-o", "BatchMode=yes"]);
    }
    command
        .args(["--", destination.as_str()])
        .arg(request.to_string());
    (command, limit)
}
