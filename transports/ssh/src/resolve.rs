//! From the command line to a call: where TARGET is, and what the machine there is asked.

use std::ffi::OsStr;

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

/// Most names of remotes.conf that are shown.
const MAX_NAMES: usize = 20;

/// Judges a command line.
///
/// # Errors
/// A call that cannot be made; nothing has been started.
pub(crate) fn resolve(line: Client) -> Result<Call, Failure> {
    let remotes = Remotes::load(&remotes::files());
    let (target, destination, request) = match (line.transport, line.target, line.service) {
        (Some(argument), _, _) => transport::resolve(text_of(&argument)?, &remotes?)?,
        (None, Some(target), Some(service)) => {
            let (target, service) = (text_of(&target)?, text_of(&service)?);
            let remote = remote(target, &remotes?)?;
            let request = Service::parse(service)
                .ok_or(NoRequest::Service)
                .and_then(|service| Request::new(remote.qube, service, None))
                .map_err(|why| not_carried(service, why))?;
            (target.to_owned(), remote.destination, request)
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

/// A word of the command line that says what is called.
fn text_of(word: &OsStr) -> Result<&str, Failure> {
    word.to_str().ok_or_else(|| {
        let shown = text::own(word.as_encoded_bytes());
        Failure::new(format!("cannot call \"{shown}\""))
            .because("it has bytes that are no text in UTF-8")
            .with_status(REFUSED)
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
            let advice = format!(
                "name another machine; {}\nor {}",
                those_in(remotes),
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

/// Which names there are, for people.
fn those_in(remotes: &Remotes) -> String {
    let names = remotes.names();
    let more = names.len().saturating_sub(MAX_NAMES);
    let names: Vec<&str> = names.take(MAX_NAMES).collect();
    let names = text::own(names.join(", ").as_bytes());
    match (names.is_empty(), more) {
        (true, _) => "there are none in remotes.conf".to_owned(),
        (false, 0) => format!("those in remotes.conf are {names}"),
        (false, more) => format!("those in remotes.conf are {names} and {more} more"),
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

    #[test]
    fn twenty_names_are_shown_and_the_others_are_counted() {
        let lines = |count: usize| -> String {
            let line = |number| format!("m{number:02} = {}\n", "h".repeat(400));
            (0..count).map(line).collect()
        };
        let all = those_in(&remotes(&lines(20)));
        assert!(all.ends_with("m18, m19"), "{all}");
        let some = those_in(&remotes(&lines(23)));
        assert!(some.ends_with("m18, m19 and 3 more"), "{some}");
        // Names as long as they can be.
        let long = |number| format!("m{number:02}{} = h\n", "n".repeat(400));
        let cut = those_in(&remotes(&(0..20).map(long).collect::<String>()));
        assert!(cut.len() < 1_100 && cut.ends_with("..."), "{cut}");
    }

    #[test]
    fn a_file_of_many_lines_is_read_in_a_moment() {
        let line = |number| format!("m{number} = h\n");
        let text: String = (0..80_000).map(line).collect();
        assert_eq!(remotes(&text).names().len(), 80_000);
    }
}
