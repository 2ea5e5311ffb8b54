//! What the status of `qrexec-client-vm` says, in words. Each may also be one that the service has
//! chosen, so the words do not claim more than is known.

use std::process::ExitStatus;

use std::os::unix::process::ExitStatusExt;

use qfile_proto::display;
use qopen_client::Reason;

use crate::ending::REFUSED;

const AGAIN: &str = "check that the other qube is still running, and open it again";

/// `None` if the call ended well.
pub(super) fn why(status: ExitStatus, target: &str, service: &str) -> Option<Reason> {
    let target = display::own(target.as_bytes());
    let signal = status.signal();
    let code = status.code();
    let signal = signal.or(code
        .filter(|code| (129..=192).contains(code))
        .map(|code| code - 128));
    let (what, advice) = match (signal, code) {
        (Some(signal), _) => (format!("the call was ended by signal {signal}"), AGAIN),
        (None, Some(0)) => return None,
        (None, Some(126)) => (
            format!(
                "refused: by the policy of dom0, by you in its dialog, or because {target} does not \
                 exist or did not start"
            ),
            "check that the qube can start, and the policy in dom0 (/etc/qubes/policy.d)",
        ),
        (None, Some(127)) => (
            format!("there is no service {service} in {target}"),
            "install the package qubes-core-agent (qubes-core-agent-linux) in its template",
        ),
        (None, Some(125)) => (
            format!("{target} has the service {service} but cannot execute it"),
            "look into its log: sudo journalctl -u qubes-qrexec-agent",
        ),
        (None, Some(255)) => ("the connection broke".to_owned(), AGAIN),
        (None, Some(other)) => (
            format!("the call ended with status {other}"),
            match service {
                "qubes.OpenURL" => {
                    "check that it begins with http://, https:// or ftp://, and that the other qube has a browser"
                }
                _ => {
                    "see what is said above, or in the other qube, or in its log: \
                     sudo journalctl -u qubes-qrexec-agent"
                }
            },
        ),
        (None, None) => ("the call ended in an unknown way".to_owned(), AGAIN),
    };
    Some(Reason { what, advice })
}

/// The exit status of the command after a call that did not end well.
pub(super) fn exit_status(status: ExitStatus) -> u8 {
    if status.code() == Some(i32::from(REFUSED)) {
        REFUSED
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_status_0_is_an_end_without_a_word_and_only_126_a_refusal() {
        for code in 0..=255 {
            let status = ExitStatus::from_raw(code << 8);
            let words = why(status, "vault", "qubes.OpenInVM");
            assert_eq!(words.is_none(), code == 0, "{code}");
            let expected = if code == 126 { 126 } else { 1 };
            assert_eq!(exit_status(status), expected, "{code}");
        }
        let killed = why(ExitStatus::from_raw(9), "vault", "qubes.OpenInVM");
        assert!(killed.unwrap().what.contains("signal 9"));
    }
}
