//! What came of a call, and what to tell the user.
//!
//! Whether a copy is complete is told by the agent's result line alone. The status of the client is
//! the service's own if that is not 0, so the target qube chooses it; it is looked at only when
//! there is no line, to say why.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use qvm_common::result_line::{Outcome, ResultLine};

use crate::args::Target;
use crate::ending::{Ending, REFUSED};
use crate::service::Service;

/// What came of a call.
#[derive(Debug)]
pub struct Report {
    /// What the agent said; `None` if it said nothing, or was never started.
    pub line: Option<ResultLine>,
    /// How `qrexec-client-vm` ended; `None` if it was left behind.
    pub status: Option<ExitStatus>,
    /// The user cancelled.
    pub cancelled: bool,
}

impl Report {
    /// True if the receiver confirmed what was sent, and the user still wants what follows.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        let confirmed = [Outcome::Complete, Outcome::Partial];
        let line = self.line.as_ref();
        line.is_some_and(|line| confirmed.contains(&line.outcome)) && !self.cancelled
    }

    /// What to tell the user.
    ///
    /// # Errors
    /// An [`Ending`] unless the agent said that the copy is complete.
    pub fn judge(&self, target: &Target, service: Service) -> Result<(), Ending> {
        match &self.line {
            Some(line) if line.outcome == Outcome::Complete => Ok(()),
            // When the agent was interrupted, what it noticed first may be its broken connection.
            Some(line) if line.outcome == Outcome::Failed && self.cancelled => Err(cancelled()),
            // The agent has said on stderr what there is to say.
            Some(line) => Err(Ending {
                said_by_sender: line.message.clone(),
                ..Ending::new(line.outcome, "")
            }),
            None if self.cancelled => Err(cancelled()),
            None => Err(without_a_line(self.status, target, service)),
        }
    }
}

fn cancelled() -> Ending {
    Ending::new(
        Outcome::Cancelled,
        "cancelled; what arrived before is in the target qube's QubesIncoming folder",
    )
}

/// Why there is no result line, by the status of the client; each of them may also be one that the
/// service has chosen.
fn without_a_line(status: Option<ExitStatus>, target: &Target, service: Service) -> Ending {
    let code = status.and_then(|status| status.code());
    let signal = status.and_then(|status| status.signal());
    let signal = signal.or_else(|| {
        code.filter(|code| (129..=192).contains(code))
            .map(|code| code - 128)
    });
    if let Some(signal) = signal {
        return Ending::failed(format!(
            "nothing was confirmed: the connection was ended by signal {signal}\ncheck that the other qube is still running, and copy again"
        ));
    }
    let message = match code {
        Some(126) => {
            return Ending::with_status(REFUSED, refused(target, service));
        }
        Some(127) => format!(
            "there is no service qubes.Filecopy in {}\n\
             install the package qubes-core-agent (qubes-core-agent-linux) in its template",
            shown(target)
        ),
        Some(125) => format!(
            "{} has the service qubes.Filecopy but cannot execute it\n\
             look into its log: sudo journalctl -u qubes-qrexec-agent",
            shown(target)
        ),
        Some(255) => {
            "the connection broke, or qfile-agent could not be started; nothing was confirmed\n\
             check that the other qube is still running, and copy again"
                .to_owned()
        }
        Some(1 | 2) => "the call could not be made; nothing was confirmed\n\
             see what is said above; if nothing is, check that qrexec is running in this qube: \
             systemctl status qubes-qrexec-agent"
            .to_owned(),
        Some(0) | None => {
            "qfile-agent ended without saying what became of the copy; take it as failed\n\
             copy again"
                .to_owned()
        }
        Some(other) => format!(
            "nothing was confirmed: the call ended with status {other}\n\
             look into the log of {} and copy again",
            shown(target)
        ),
    };
    Ending::failed(message)
}

fn refused(target: &Target, service: Service) -> String {
    let mut message = format!(
        "refused before anything was sent: by the policy of dom0, by you in its dialog, or because \
         {} does not exist or did not start\n\
         check its name, whether it starts, and the policy in dom0 (/etc/qubes/policy.d)",
        shown(target)
    );
    if service == Service::FilecopyAllNames {
        message.push_str(
            "\nsome names are not safe for display, so the service asked for was \
             qubes.Filecopy+allow-all-names, which policy may deny: rename them (--dry-run lists \
             them), or have it allowed in dom0",
        );
    }
    message
}

fn shown(target: &Target) -> String {
    match target.as_str() {
        "@default" => "the target qube".to_owned(),
        name => format!("\"{name}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(line: Option<Outcome>, raw_status: i32, cancelled: bool) -> Report {
        Report {
            line: line.map(|outcome| ResultLine {
                outcome,
                message: String::new(),
            }),
            status: Some(ExitStatus::from_raw(raw_status)),
            cancelled,
        }
    }

    fn status(report: &Report) -> u8 {
        let judged = report.judge(&Target::default(), Service::Filecopy);
        judged.map_or_else(|ending| ending.status, |()| 0)
    }

    #[test]
    fn only_the_result_line_is_believed() {
        let hostile = [0, 1, 2, 3, 32, 125, 126, 127, 128 + 9, 255].map(|code| code << 8);
        for raw in hostile.into_iter().chain([2, 9, 15]) {
            for (outcome, expected) in [
                (Outcome::Complete, 0),
                (Outcome::Failed, 1),
                (Outcome::Usage, 2),
                (Outcome::Partial, 3),
                (Outcome::Cancelled, 32),
            ] {
                assert_eq!(
                    status(&report(Some(outcome), raw, false)),
                    expected,
                    "{raw}"
                );
            }
        }
    }

    #[test]
    fn without_a_line_nothing_is_a_success_and_only_126_a_refusal() {
        for code in 0..=255 {
            let expected = if code == 126 { 126 } else { 1 };
            assert_eq!(status(&report(None, code << 8, false)), expected, "{code}");
            assert_eq!(status(&report(None, code << 8, true)), 32, "{code}");
        }
        assert_eq!(status(&report(None, 9, false)), 1);
    }

    #[test]
    fn a_copy_that_was_confirmed_is_complete_even_if_cancelled_too_late() {
        assert_eq!(status(&report(Some(Outcome::Complete), 0, true)), 0);
        assert_eq!(status(&report(Some(Outcome::Failed), 0, true)), 32);
    }
}
