//! Tells the user that a qube is blocked, in a process of the user's own.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use nix::unistd::User;
use program::failure::Failure;
use program::programs::find_in_path;
use program::say::say;

use crate::helper::{self, MAX_MESSAGE_LEN};

/// How long a notice is shown, in milliseconds.
const SHOWN: &str = "8000";

/// The way to the user.
#[derive(Debug)]
pub(crate) struct Notices(Option<UnixDatagram>);

impl Notices {
    /// Starts the process of the user of that name. Without it, and for root, notices stand in the log
    /// only.
    pub(crate) fn start(user: Option<&str>) -> Self {
        let started = user
            .and_then(|name| User::from_name(name).ok().flatten())
            // The process would keep every right.
            .filter(|user| !user.uid.is_root())
            .map(|user| {
                let uid = user.uid.as_raw();
                let environment = [
                    ("HOME", user.dir.to_string_lossy().into_owned()),
                    ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
                    ("XDG_RUNTIME_DIR", format!("/run/user/{uid}")),
                    (
                        "DBUS_SESSION_BUS_ADDRESS",
                        format!("unix:path=/run/user/{uid}/bus"),
                    ),
                ];
                helper::start("--notices", (uid, user.gid.as_raw()), &environment)
            });
        match started {
            Some(Ok(socket)) => Self(Some(socket)),
            Some(Err(error)) => {
                say(format_args!(
                    "qubes-firewall: cannot show notices to the user: {error}"
                ));
                Self(None)
            }
            None => Self(None),
        }
    }

    /// Shows a notice, or says that this cannot be. `text` has passed the text filter.
    pub(crate) fn show(&self, text: &str) {
        // Who shows no notice in time misses it; it stands in the log too.
        let _missed = self.0.as_ref().map(|socket| socket.send(text.as_bytes()));
    }
}

/// The user's process: shows every message as a notice, until the agent has ended.
pub(crate) fn show_all() -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new("cannot hear from the agent").because(error);
    let agent = helper::of_agent().map_err(failed)?;
    let mut message = vec![0; MAX_MESSAGE_LEN];
    loop {
        match agent.recv(&mut message).map_err(failed)? {
            0 => return Ok(()),
            len => show(&text::foreign(&message[..len])),
        }
    }
}

fn show(text: &str) {
    let Some(program) = find_in_path("notify-send") else {
        return;
    };
    // A notice may hold marks like those of HTML.
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _not_shown = Command::new(program)
        .args([
            "--expire-time",
            SHOWN,
            "--icon",
            "network-error",
            "--",
            "Qubes firewall",
        ])
        .arg(escaped)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
