//! The called side is this program started again: in a session of its own, with no descriptor of
//! the caller but the three streams of the service. This is the command line of that, both ways.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::process::Command;

use program::failure::Failure;
use qfile_proto::QubeName;

use qrexec::Service;
use qrexec::status::USAGE;

/// First argument of the called side; no TARGET looks like it.
const SERVE: &str = "--serve";
const DISPOSABLE: &str = "--serve-in-disposable";

/// What this program is started again for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// To become the service in a qube that exists.
    Serve(Call),
    /// To make a disposable, let the service run in it, and remove it.
    Disposable {
        /// The calling qube.
        source: QubeName,
        /// What to copy, if not the default.
        template: Option<QubeName>,
        /// The service.
        service: Service,
        /// Number of the inherited socket to the calling side.
        control: RawFd,
    },
}

/// A call that was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The calling qube.
    pub(crate) source: QubeName,
    /// The called qube.
    pub(crate) qube: QubeName,
    /// The service.
    pub(crate) service: Service,
}

impl Role {
    /// The role in these arguments; `None` if they are a caller's.
    pub(crate) fn parse(
        mut arguments: impl Iterator<Item = OsString>,
    ) -> Option<Result<Self, Failure>> {
        let first = arguments.next()?;
        (first == SERVE || first == DISPOSABLE).then(|| {
            let words: Option<Vec<String>> =
                arguments.map(|word| word.into_string().ok()).collect();
            words
                .and_then(|words| Self::from_words(&words))
                .ok_or_else(|| {
                    Failure::new("the called side is started by the calling side")
                        .with_status(USAGE)
                })
        })
    }

    fn from_words(words: &[String]) -> Option<Self> {
        let [source, qube, service, control @ ..] = words else {
            return None;
        };
        let name = |word: &String| QubeName::parse(word.as_bytes());
        let (source, service) = (name(source)?, Service::parse(service)?);
        match control {
            [] => Some(Self::Serve(Call {
                source,
                qube: name(qube)?,
                service,
            })),
            [control] => Some(Self::Disposable {
                source,
                template: name(qube),
                service,
                control: control.parse().ok()?,
            }),
            _ => None,
        }
    }

    /// The command that starts this program again in this role.
    #[must_use]
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("/proc/self/exe");
        match self {
            Self::Serve(call) => command
                .args([SERVE, call.source.as_str(), call.qube.as_str()])
                .arg(call.service.to_string()),
            Self::Disposable {
                source,
                template,
                service,
                control,
            } => command
                .args([DISPOSABLE, source.as_str()])
                .arg(template.as_ref().map_or("", QubeName::as_str))
                .args([service.to_string(), control.to_string()]),
        };
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_survives_the_command_line() {
        let qube = |name: &str| QubeName::parse(name.as_bytes()).unwrap();
        let (source, service) = (qube("work"), Service::parse("qubes.Filecopy").unwrap());
        let disposable = |template| Role::Disposable {
            source: source.clone(),
            template,
            service: service.clone(),
            control: 7,
        };
        let call = Call {
            source: source.clone(),
            qube: qube("vault"),
            service: service.clone(),
        };
        for role in [
            Role::Serve(call),
            disposable(None),
            disposable(Some(qube("web"))),
        ] {
            let command = role.command();
            let words = command.get_args().map(OsString::from);
            assert_eq!(Role::parse(words).unwrap().unwrap(), role);
        }
    }

    #[test]
    fn the_arguments_of_a_caller_are_no_role() {
        let words = ["--", "work", "svc"].map(OsString::from);
        assert!(Role::parse(words.into_iter()).is_none());
        assert!(Role::parse(std::iter::empty()).is_none());
    }
}
