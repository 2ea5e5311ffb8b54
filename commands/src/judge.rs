//! What came of a call, and what to tell the user.
//!
//! Whether a copy is complete is told by the agent's result line alone. The status of the client is
//! the service's own if that is not 0, so the target qube chooses it; it is looked at only when
//! there is no line, to say why.

use program::failure::Failure;
use qrexec::client::Kind;
use qrexec::status::REFUSED;
use qrexec::{CallStatus, Target};
use transfer::result_line::{Outcome, ResultLine};

use crate::ending::{Ending, with};
use crate::service::Service;

/// What came of a call.
#[derive(Debug)]
pub struct Report {
    /// What the agent said; `None` if it said nothing, or was never started.
    pub line: Option<ResultLine>,
    /// How `qrexec-client-vm` ended; `None` if it was left behind.
    pub status: Option<CallStatus>,
    /// What the client was.
    pub client: Kind,
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
            Some(line) if line.outcome == Outcome::Failed && self.cancelled => {
                Err(cancelled().into())
            }
            // The agent has said on stderr what there is to say.
            Some(line) => Err(Ending {
                failure: Failure::said(line.outcome.status()),
                said_by_sender: line.message.clone(),
            }),
            None if self.cancelled => Err(cancelled().into()),
            None => Err(without_a_line(self.client, self.status, target, service).into()),
        }
    }
}

/// What to do where nothing tells how much has arrived: what is there already would be refused.
const AGAIN: &str = "remove any files that arrived in its QubesIncoming folder, and copy again";

fn cancelled() -> Failure {
    with(Outcome::Cancelled, "cancelled")
        .advise("any files that arrived are in the target qube's QubesIncoming folder")
}

/// Why there is no result line, by the status of the client; each of them may also be one that the
/// service has chosen.
fn without_a_line(
    kind: Kind,
    status: Option<CallStatus>,
    target: &Target,
    service: Service,
) -> Failure {
    let explained =
        status.and_then(|status| status.explain(kind, "qubes.Filecopy", &shown(target)));
    let Some((status, explained)) = status.zip(explained) else {
        return Failure::new(
            "qfile-agent ended without reporting a result; assume that the copy failed",
        )
        .advise(format_args!("look into the target qube, {AGAIN}"));
    };
    let what = explained.what;
    let known = explained.advice.unwrap_or_default();
    match status {
        CallStatus::Refused => Failure::new(what)
            .advise(format_args!("{known}{}", all_names(kind, service)))
            .with_status(REFUSED),
        CallStatus::NoService | CallStatus::NotExecuted => Failure::new(what).advise(known),
        // qrexec-ssh has said which of the two it was. Before there is a connection, nothing is sent.
        CallStatus::Broken if kind == Kind::Ssh => {
            Failure::new(format_args!("{what}; nothing was confirmed")).advise(
                "see the messages above; if there was a connection, remove any files that arrived \
                 in the QubesIncoming folder there before you copy again",
            )
        }
        CallStatus::Broken => Failure::new(format_args!(
            "{what}, or qfile-agent could not be started; nothing was confirmed"
        ))
        .advise(format_args!(
            "check that the other qube is still running, {AGAIN}"
        )),
        CallStatus::Other(1 | 2) => {
            Failure::new("the call could not be made; nothing was confirmed").advise(
                "see the messages above; if there are none, check that qrexec is running in this \
                 qube: systemctl status qubes-qrexec-agent",
            )
        }
        CallStatus::Signal(_) => Failure::new(format_args!("nothing was confirmed: {what}"))
            .advise(format_args!(
                "check that the other qube is still running, {AGAIN}"
            )),
        CallStatus::Other(_) | CallStatus::Well => {
            Failure::new(format_args!("nothing was confirmed: {what}")).advise(format_args!(
                "look into the log of {}, {AGAIN}",
                shown(target)
            ))
        }
    }
}

/// What else there is to say of a refusal, where the names asked for another service.
fn all_names(kind: Kind, service: Service) -> &'static str {
    match service {
        Service::FilecopyAllNames if kind == Kind::Ssh => {
            "\nif the name of the qube is right: some file names are not safe for display, so the \
             call used the service qubes.Filecopy+allow-all-names, which policy may deny; rename the \
             files (--dry-run lists them), or allow the service with this line in the policy there, \
             where NAME is the name of your key: qubes.Filecopy +allow-all-names NAME @default allow"
        }
        Service::FilecopyAllNames => {
            "\nif the name of the qube is right: some file names are not safe for display, so the \
             call used the service qubes.Filecopy+allow-all-names, which policy may deny; rename the \
             files (--dry-run lists them), or allow the service in dom0"
        }
        Service::Filecopy => "",
    }
}

fn shown(target: &Target) -> String {
    match target {
        Target::Default => "the target qube".to_owned(),
        named => format!("\"{named}\""),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn report(line: Option<Outcome>, raw_status: i32, cancelled: bool) -> Report {
        Report {
            line: line.map(|outcome| ResultLine {
                outcome,
                message: String::new(),
            }),
            status: Some(ExitStatus::from_raw(raw_status).into()),
            client: Kind::Qrexec,
            cancelled,
        }
    }

    fn status(report: &Report) -> u8 {
        let judged = report.judge(&Target::default(), Service::Filecopy);
        judged.map_or_else(|ending| ending.status(), |()| 0)
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

    /// Where something may have arrived, to copy again is refused at the first name.
    #[test]
    fn nothing_proposes_to_copy_again_what_may_be_there() {
        let target = Target::default();
        for raw in (0..=255).map(|code| code << 8).chain([9]) {
            let told = report(None, raw, false).judge(&target, Service::Filecopy);
            let told = told.unwrap_err().failure.to_string();
            let removes = told.contains("remove any files that arrived");
            assert_eq!(told.contains("copy again"), removes, "{told}");
        }
    }

    #[test]
    fn a_copy_that_was_confirmed_is_complete_even_if_cancelled_too_late() {
        assert_eq!(status(&report(Some(Outcome::Complete), 0, true)), 0);
        assert_eq!(status(&report(Some(Outcome::Failed), 0, true)), 32);
    }
}
