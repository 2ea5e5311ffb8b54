//! How a call ended: the exit statuses of `qrexec-client-vm`, and what each means in words.
//!
//! A status other than 0 may be one that the service has chosen, so the target qube has a say in
//! it: the words claim no more than is known.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::client::Kind;

/// There is nobody to make calls: with qrexec the agent, locally the folder of qubes.
pub const NO_AGENT: u8 = 1;
/// The command line of the client cannot be understood.
pub const USAGE: u8 = 2;
/// The target qube could not execute the service.
pub const NOT_EXECUTED: u8 = 125;
/// Refused before anything was connected.
pub const REFUSED: u8 = 126;
/// The target qube has no such service.
pub const NO_SERVICE: u8 = 127;
/// The connection broke without a status, or the local program could not be executed.
pub const BROKEN: u8 = 255;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStatus {
    /// Status 0.
    Well,
    /// [`NOT_EXECUTED`].
    NotExecuted,
    /// [`REFUSED`].
    Refused,
    /// [`NO_SERVICE`].
    NoService,
    /// [`BROKEN`].
    Broken,
    /// Ended by a signal, or with a status from 129 to 192, by which shells tell of one.
    Signal(i32),
    /// Any other status.
    Other(i32),
}

/// A call that did not end well, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What happened: a clause without a full stop.
    pub what: String,
    /// What to do, where the status alone tells.
    pub advice: Option<&'static str>,
}

impl From<ExitStatus> for CallStatus {
    fn from(status: ExitStatus) -> Self {
        // A process that has ended has a status or a signal.
        let code = status.code().unwrap_or(i32::from(BROKEN));
        match (status.signal(), u8::try_from(code)) {
            (Some(signal), _) => Self::Signal(signal),
            (None, Ok(0)) => Self::Well,
            (None, Ok(NOT_EXECUTED)) => Self::NotExecuted,
            (None, Ok(REFUSED)) => Self::Refused,
            (None, Ok(NO_SERVICE)) => Self::NoService,
            (None, Ok(BROKEN)) => Self::Broken,
            (None, Ok(129..=192)) => Self::Signal(code - 128),
            (None, _) => Self::Other(code),
        }
    }
}

impl CallStatus {
    /// What it means for a call of `service` in `qube` by a client of this kind. The names have passed
    /// `text` and stand in the sentence as they are. `None` if the call ended well.
    #[must_use]
    pub fn explain(self, kind: Kind, service: &str, qube: &str) -> Option<Explanation> {
        let over_ssh = kind == Kind::Ssh;
        let (what, advice) = match self {
            Self::Well => return None,
            Self::NotExecuted if over_ssh => (
                format!("{qube} has the service {service} but cannot execute it"),
                Some("look into the system log there: journalctl -t qrexec-ssh-serve"),
            ),
            Self::Refused if over_ssh => (
                format!("refused by qrexec-ssh, or by the policy of {qube}"),
                Some(
                    "see the message above, and the policy there (/etc/qfile/policy.d and \
                     ~/.config/qfile/policy.d)",
                ),
            ),
            Self::NoService if over_ssh => (
                format!(
                    "there is no service {service} in {qube}, or the key is not bound to \
                     qrexec-ssh-serve there"
                ),
                Some("install the packages qfile and qfile-remote there; see qrexec-ssh-serve(8)"),
            ),
            Self::Broken if over_ssh => (
                format!("the connection to {qube} was not made, or it broke"),
                None,
            ),
            Self::NotExecuted => (
                format!("{qube} has the service {service} but cannot execute it"),
                Some("look into its log: sudo journalctl -u qubes-qrexec-agent"),
            ),
            Self::Refused => (
                format!(
                    "refused: by the policy of dom0, by you in its dialog, or because {qube} does \
                     not exist or did not start"
                ),
                Some(
                    "check its name, whether it starts, and the policy in dom0 \
                     (/etc/qubes/policy.d)",
                ),
            ),
            Self::NoService => (
                format!("there is no service {service} in {qube}"),
                Some(
                    "install the package qubes-core-agent (qubes-core-agent-linux) in its template",
                ),
            ),
            Self::Broken => ("the connection broke".to_owned(), None),
            Self::Signal(signal) => (format!("the call was ended by signal {signal}"), None),
            Self::Other(status) => (format!("the call ended with status {status}"), None),
        };
        Some(Explanation { what, advice })
    }
}

/// The status of a process as a shell says it: its own, or 128+N after signal N.
#[must_use]
pub fn of_process(ended: ExitStatus) -> u8 {
    let signalled = || ended.signal().map(|signal| signal.saturating_add(128));
    ended
        .code()
        .or_else(signalled)
        .and_then(|status| u8::try_from(status).ok())
        .unwrap_or(BROKEN)
}

/// The status of a call: that of the service hides that of the local program unless it is 0.
#[must_use]
pub fn of_call(service: u8, local_program: u8) -> u8 {
    if service == 0 { local_program } else { service }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_status_0_ends_well_and_only_126_is_a_refusal() {
        for code in 0..=255 {
            let status = CallStatus::from(ExitStatus::from_raw(code << 8));
            assert_eq!(status == CallStatus::Well, code == 0, "{code}");
            assert_eq!(status == CallStatus::Refused, code == 126, "{code}");
            assert_eq!(
                status.explain(Kind::Qrexec, "svc", "work").is_none(),
                code == 0,
                "{code}"
            );
        }
    }

    #[test]
    fn a_signal_is_one_however_it_is_told() {
        for raw in [9, 137 << 8] {
            let status = CallStatus::from(ExitStatus::from_raw(raw));
            assert_eq!(status, CallStatus::Signal(9), "{raw:#x}");
            let explained = status.explain(Kind::Qrexec, "svc", "work").unwrap();
            assert!(explained.what.contains("signal 9"));
        }
    }

    #[test]
    fn over_ssh_nobody_is_sent_to_dom0() {
        for code in [125, 126, 127] {
            let status = CallStatus::from(ExitStatus::from_raw(code << 8));
            let words = |kind| {
                let explained = status.explain(kind, "svc", "far").unwrap();
                format!(
                    "{} {}",
                    explained.what,
                    explained.advice.unwrap_or_default()
                )
            };
            for word in ["dom0", "qubes-core-agent", "qubes-qrexec-agent"] {
                assert!(!words(Kind::Ssh).contains(word), "{code}");
            }
            assert_ne!(words(Kind::Ssh), words(Kind::Qrexec));
        }
    }

    #[test]
    fn a_status_is_the_process_own_or_128_plus_its_signal() {
        // The raw values are those of wait(2): the status in bits 8 to 15, the signal in 0 to 6.
        for (raw, expected) in [(0, 0), (0x0100, 1), (0xFF00, 255), (9, 137), (15, 143)] {
            assert_eq!(of_process(ExitStatus::from_raw(raw)), expected, "{raw:#x}");
        }
    }

    #[test]
    fn the_service_hides_the_program_unless_it_ended_well() {
        for (service, program, expected) in [(0, 0, 0), (0, 7, 7), (3, 0, 3), (3, 7, 3)] {
            assert_eq!(of_call(service, program), expected);
        }
    }
}
