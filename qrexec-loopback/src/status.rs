//! How a call ended: the exit statuses of qrexec-client-vm.

use std::fmt::Display;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// There is nobody to make calls: with qrexec the agent, here the folder of local qubes.
pub(crate) const NO_AGENT: u8 = 1;
/// The command line cannot be understood.
pub(crate) const USAGE: u8 = 2;
/// The called side could not execute the service.
pub(crate) const NOT_EXECUTED: u8 = 125;
/// Refused before anything was connected.
pub(crate) const REFUSED: u8 = 126;
/// The called qube has no such service.
pub(crate) const NO_SERVICE: u8 = 127;
/// The connection broke without a status, or PROGRAM could not be executed.
pub(crate) const BROKEN: u8 = 255;

/// A call that was not made, or broke: the exit status and what to tell the caller.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit status.
    pub(crate) status: u8,
    /// One or more lines that are safe to show; `None` if all has been said.
    pub(crate) message: Option<String>,
}

impl Failure {
    /// A failure with a message, which passed [`qfile_proto::display`] where it holds names.
    pub(crate) fn new(status: u8, message: impl Display) -> Self {
        Self {
            status,
            message: Some(format!("qrexec-loopback: {message}")),
        }
    }

    /// A connection that broke.
    pub(crate) fn broken(error: impl Display) -> Self {
        Self::new(BROKEN, format!("the connection broke: {error}"))
    }
}

/// The status of a process as a shell says it: its own, or 128+N after signal N.
#[must_use]
pub(crate) fn of(ended: ExitStatus) -> u8 {
    let signalled = || ended.signal().map(|signal| signal.saturating_add(128));
    ended
        .code()
        .or_else(signalled)
        .and_then(|status| u8::try_from(status).ok())
        .unwrap_or(BROKEN)
}

/// The status of the call: the service's hides PROGRAM's unless it is 0.
#[must_use]
pub(crate) fn of_call(service: u8, program: u8) -> u8 {
    if service == 0 { program } else { service }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_the_process_own_or_128_plus_its_signal() {
        // The raw values are those of wait(2): the status in bits 8 to 15, the signal in 0 to 6.
        for (raw, expected) in [(0, 0), (0x0100, 1), (0xFF00, 255), (9, 137), (15, 143)] {
            assert_eq!(of(ExitStatus::from_raw(raw)), expected, "{raw:#x}");
        }
    }

    #[test]
    fn the_service_hides_the_program_unless_it_ended_well() {
        for (service, program, expected) in [(0, 0, 0), (0, 7, 7), (3, 0, 3), (3, 7, 3)] {
            assert_eq!(of_call(service, program), expected);
        }
    }
}
