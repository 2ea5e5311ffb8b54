//! From the command line to a call: where TARGET is, and what the machine there is asked.

use qrexec::Service;
use qrexec::local_side::ProgramLine;
use qrexec::status::REFUSED;

use program::failure::Failure;

use crate::args::Client;
use crate::call::{Call, Filters};
use crate::remotes::{self, Remote, Remotes};
use crate::transport;
use crate::wire::{NoRequest, Qube, Request};
use qrexec::Destination;

/// Judges a command line.
///
/// # Errors
/// A call that cannot be made; nothing has been started.
pub(crate) fn resolve(line: Client) -> Result<Call, Failure> {
    let remotes = Remotes::load(&remotes::files());
    let (target, destination, request) = match (line.transport, line.target, line.service) {
        (Some(argument), _, _) => transport::resolve(&argument, &remotes?)?,
        (None, Some(target), Some(service)) => {
            let remote = remote(&target, &remotes?)?;
            let request = Service::parse(&service)
                .ok_or(NoRequest::Service)
                .and_then(|service| Request::new(remote.qube, service, None))
                .map_err(|why| not_carried(&service, why))?;
            (target, remote.destination, request)
        }
        _ => return Err(Failure::new("there is no TARGET or no SERVICE").with_status(2)),
    };
    Ok(Call {
        target,
        destination,
        request,
        program: ProgramLine::of(line.program),
        filters: Filters {
            stderr: line.filter_escape_chars_stderr,
            stdout: line.filter_escape_chars_stdout,
        },
        buffer_size: line.buffer_size,
    })
}

/// The failure to call a service whose name or argument the wire does not carry.
pub(crate) fn not_carried(service: &str, why: NoRequest) -> Failure {
    let shown = text::own(service.as_bytes());
    Failure::new(format!("cannot call \"{shown}\""))
        .because(why)
        .with_status(REFUSED)
}

/// Where a TARGET is.
fn remote(target: &str, remotes: &Remotes) -> Result<Remote, Failure> {
    // The old way to write the @.
    let keyword = target.strip_prefix('$').map(|rest| format!("@{rest}"));
    let target = keyword.as_deref().unwrap_or(target);
    if let Some(remote) = remotes.get(target) {
        return Ok(remote.clone());
    }
    let refused = |why: &str, advice: String| {
        let shown = text::own(target.as_bytes());
        let failure = Failure::new(format!("cannot call \"{shown}\"")).because(why);
        Err(failure.advise(advice).with_status(REFUSED))
    };
    let line = |destination: &str| {
        format!("add a line to ~/.config/qfile/remotes.conf: {target} = {destination}")
    };
    match target {
        "@default" => {
            let names = remotes.names().join(", ");
            let names = match names.is_empty() {
                true => "there are none in remotes.conf".to_owned(),
                false => format!("those in remotes.conf are {names}"),
            };
            let advice = format!(
                "name another machine; {names}\nor {}",
                line("DESTINATION [QUBE]")
            );
            refused("remotes.conf does not say which machine this is", advice)
        }
        "@dispvm" => refused(
            "remotes.conf does not say on which machine",
            line("DESTINATION @dispvm"),
        ),
        keyword if keyword.starts_with("@dispvm:") => refused(
            "the template of a disposable on another machine cannot be chosen",
            "use @dispvm".to_owned(),
        ),
        name => match Destination::parse(name) {
            Some(destination) => Ok(Remote {
                destination,
                qube: Qube::Unnamed,
            }),
            None => refused(
                "it is neither a name in remotes.conf nor [USER@]HOST",
                "use letters, digits and . _ -, a letter or a digit first".to_owned(),
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remotes(text: &str) -> Remotes {
        Remotes::parse(text).unwrap()
    }

    #[test]
    fn a_target_is_a_name_in_the_table_or_the_destination_itself() {
        let remotes = remotes("work = relay work\n@default = server\n@dispvm = relay @dispvm\n");
        for (target, destination, qube) in [
            ("work", "relay", "work"),
            ("@default", "server", "-"),
            ("$default", "server", "-"),
            ("@dispvm", "relay", "@dispvm"),
            ("other", "other", "-"),
            ("me@192.0.2.1", "me@192.0.2.1", "-"),
        ] {
            let remote = remote(target, &remotes).unwrap();
            let found = (remote.destination.to_string(), remote.qube.to_string());
            assert_eq!(found, (destination.to_owned(), qube.to_owned()), "{target}");
        }
    }

    #[test]
    fn every_other_target_is_refused() {
        let remotes = remotes("work = relay work\nvault = relay vault\n");
        for (target, says) in [
            ("@default", "vault, work"),
            ("@dispvm", "@dispvm = DESTINATION @dispvm"),
            ("@dispvm:web", "template"),
            ("@adminvm", "neither"),
            ("@anyvm", "neither"),
            ("-oProxyCommand=id", "neither"),
            ("", "neither"),
            ("a b", "neither"),
        ] {
            let failure = remote(target, &remotes).unwrap_err();
            assert_eq!(failure.status(), REFUSED, "{target}");
            assert!(failure.to_string().contains(says), "{failure}");
        }
    }
}
