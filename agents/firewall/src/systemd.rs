//! What systemd is told (`sd_notify(3)`).

use std::env;
use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::time::{ClockId, clock_gettime};
use program::say::say;

/// The variable by which systemd names its socket.
pub(crate) const VARIABLE: &str = "NOTIFY_SOCKET";

/// Whoever waits for the state of this process, if anybody does.
#[derive(Debug)]
pub(crate) struct Systemd(Option<OsString>);

impl Systemd {
    pub(crate) fn from_environment() -> Self {
        Self(env::var_os(VARIABLE).filter(|socket| !socket.is_empty()))
    }

    /// The rules are being enforced.
    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The rules are read again.
    pub(crate) fn reloading(&self) {
        // The C library's call: that of rustix asks for the vDSO by prctl, which is filtered.
        let Ok(now) = clock_gettime(ClockId::CLOCK_MONOTONIC) else {
            return;
        };
        let micros = now.tv_sec() * 1_000_000 + now.tv_nsec() / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    fn tell(&self, state: &str) {
        let Some(socket) = &self.0 else { return };
        let told = match socket.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(socket),
        }
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
        if let Err(error) = told {
            say(format_args!(
                "qubes-firewall: cannot tell systemd \"READY=1\": {error}"
            ));
        }
    }
}
