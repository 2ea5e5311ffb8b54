//! What systemd is told (`sd_notify(3)`).

use nix::time::{ClockId, clock_gettime};
use program::say::say;
use program::systemd::{self, READY};

/// Whoever waits for the state of this process, if anybody does.
#[derive(Debug)]
pub(crate) struct Systemd(Option<systemd::Systemd>);

impl Systemd {
    pub(crate) fn from_environment() -> Self {
        Self(systemd::Systemd::from_environment())
    }

    /// The rules are being enforced.
    pub(crate) fn ready(&self) {
        self.tell(READY);
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
        let Some(systemd) = &self.0 else { return };
        if let Err(error) = systemd.tell(state) {
            say(format_args!(
                "qubes-firewall: cannot tell systemd its state: {error}"
            ));
        }
    }
}
