//! Why a call did not end well, and what to do then.

use program::failure::Failure;
use qopen_in_vm::{MAY_BE_OPEN, OPEN_AGAIN};
use qrexec::CallStatus;
use qrexec::client::Kind;
use qrexec::status::REFUSED;

/// `None` if the call ended well.
pub(super) fn why(kind: Kind, status: CallStatus, target: &str, service: &str) -> Option<Failure> {
    let explained = status.explain(kind, service, &text::own(target.as_bytes()))?;
    let is_url = service == "qubes.OpenURL";
    let advice = explained.advice.unwrap_or(match status {
        CallStatus::Other(_) if is_url => {
            "check that it begins with http://, https:// or ftp://, and that the other qube has a \
             browser"
        }
        CallStatus::Other(_) => {
            "see the messages above, or in the other qube, or in its log: sudo journalctl -u \
             qubes-qrexec-agent"
        }
        _ if is_url => OPEN_AGAIN,
        // A file that is open in an editor there stays so when the connection goes.
        _ => MAY_BE_OPEN,
    });
    Some(Failure::new(explained.what).advise(advice))
}

/// The exit status of the command after a call that did not end well.
pub(super) fn exit_status(status: CallStatus) -> u8 {
    match status {
        CallStatus::Refused => REFUSED,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_has_a_status_of_its_own() {
        for (status, expected) in [
            (CallStatus::Refused, 126),
            (CallStatus::NoService, 1),
            (CallStatus::Other(126), 1),
            (CallStatus::Signal(9), 1),
        ] {
            assert_eq!(exit_status(status), expected);
            assert!(why(Kind::Qrexec, status, "vault", "qubes.OpenInVM").is_some());
        }
        let well = why(Kind::Qrexec, CallStatus::Well, "vault", "qubes.OpenInVM");
        assert_eq!(well, None);
    }
}
