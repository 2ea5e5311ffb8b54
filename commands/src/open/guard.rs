//! A command that is killed (SIGKILL) cannot tell its client of qrexec to end. Left alone, that would take
//! the edit from the other qube and drop it, and the server there would believe that it was received.
//! So a process watches, and ends the client in the command's place.

use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::process::{Child, Command};

/// Waits for the end of its input, which nobody writes to, and ends the process `$1`.
const SCRIPT: &str = "read -r nothing; kill \"$1\"";

/// Ends a client if this process ends without dropping the guard.
#[derive(Debug)]
pub(super) struct Guard {
    /// Dropped, and so killed, before its input ends.
    _watching: Child,
    _alive: OwnedFd,
}

impl Guard {
    /// Watches for `client`. Where nothing can be started there is no guard.
    pub(super) fn of(client: &Child) -> Option<Self> {
        let pid = client.id()?;
        let (input, alive) = pipe_with(PipeFlags::CLOEXEC).ok()?;
        let watching = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(pid.to_string())
            .stdin(Stdio::from(input))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // What ends the command's process group lets the command end the client itself.
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        Some(Self {
            _watching: watching.ok()?,
            _alive: alive,
        })
    }
}
