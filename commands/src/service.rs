//! Which service is called, and with which arguments.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::RawFd;
use std::path::Path;

use walk::{Exclude, Links};

use crate::args::Request;
use crate::survey::Survey;

/// The two ways to call the receiver. dom0's policy may allow one and deny the other, so one is
/// never tried in place of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Names are to be safe for display.
    Filecopy,
    /// Any names.
    FilecopyAllNames,
}

impl Service {
    /// The service that takes what was surveyed.
    #[must_use]
    pub fn for_survey(survey: &Survey) -> Self {
        if survey.needs_all_names() {
            Self::FilecopyAllNames
        } else {
            Self::Filecopy
        }
    }

    /// Its name, with the argument, as qrexec takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Filecopy => "qubes.Filecopy",
            Self::FilecopyAllNames => "qubes.Filecopy+allow-all-names",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The numbers of descriptors that the agent inherits.
#[derive(Clone, Copy, Debug)]
pub struct HandedOn {
    /// Where it writes what became of the copy.
    pub result_fd: RawFd,
    /// A pipe: when nobody can write to it any more, the copy is cancelled.
    pub cancel_fd: RawFd,
    /// Where it writes what was confirmed, if that is wanted.
    pub manifest: Option<RawFd>,
    /// Where it writes what has landed, if the copy stops.
    pub journal: Option<RawFd>,
    /// Where it reads what has landed before and is left out.
    pub landed: Option<RawFd>,
    /// Where it writes a line for each entry.
    pub entries: Option<RawFd>,
    /// The file that is sent in place of paths.
    pub content: Option<RawFd>,
}

/// The arguments of `qrexec-client-vm` that call `service` and join it to the sender `agent`.
#[must_use]
pub fn client_arguments(
    request: &Request,
    service: Service,
    agent: &Path,
    handed_on: HandedOn,
) -> Vec<OsString> {
    let result_fd = handed_on.result_fd.to_string();
    // In one piece: it may begin with a dash.
    let joined = |option: &str, value: &OsStr| {
        let mut option = OsString::from(option);
        option.push(value);
        option
    };
    let name = request.name.as_ref().map(|name| joined("--as=", name));
    let patterns = request.exclude.iter().flat_map(Exclude::typed);
    let exclude: Vec<OsString> = patterns.map(|glob| joined("--exclude=", glob)).collect();
    let cancel_fd = handed_on.cancel_fd.to_string();
    let more = [
        ("--manifest", handed_on.manifest),
        ("--journal", handed_on.journal),
        ("--landed", handed_on.landed),
        ("--entries", handed_on.entries),
        ("--content", handed_on.content),
    ];
    let more = more.map(|(option, number)| (option, number.map(|number| number.to_string())));
    let target = request.target.to_string();
    let mut arguments: Vec<&OsStr> = vec![
        // What the service writes to its stderr arrives on ours.
        "--filter-escape-chars-stderr".as_ref(),
        "--".as_ref(),
        target.as_ref(),
        service.name().as_ref(),
        agent.as_os_str(),
    ];
    match request.links {
        Links::Send => {}
        Links::Ignore => arguments.push("--ignore-symlinks".as_ref()),
        Links::Follow => arguments.push("--dereference".as_ref()),
    }
    if request.skip_refused {
        arguments.push("--skip-refused".as_ref());
    }
    if request.verbose {
        arguments.push("--verbose".as_ref());
    }
    if request.quiet {
        arguments.push("--quiet".as_ref());
    }
    if request.names_qube {
        arguments.extend(["--name-qube", &target].map(OsStr::new));
    }
    arguments.extend(exclude.iter().map(OsString::as_os_str));
    arguments.extend(name.as_deref());
    arguments.extend(["--result-fd", &result_fd].map(OsStr::new));
    arguments.extend(["--cancel-fd", &cancel_fd].map(OsStr::new));
    for (option, number) in &more {
        if let Some(number) = number {
            arguments.extend([option, &**number].map(OsStr::new));
        }
    }
    arguments.push("--".as_ref());
    arguments.extend(request.paths.iter().map(OsString::as_os_str));
    arguments.into_iter().map(OsStr::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Form;

    #[test]
    fn the_call_is_the_one_that_qrexec_and_the_agent_understand() {
        let table: [(&[&str], &[&str], Option<RawFd>); 8] = [
            (
                &["--exclude", "-x", "--exclude=*.o", "work", "--", "a", "-b"],
                &["--exclude=-x", "--exclude=*.o"],
                None,
            ),
            (&["-v", "work", "--", "a", "-b"], &["--verbose"], None),
            (
                &["--skip-refused", "work", "--", "a", "-b"],
                &["--skip-refused"],
                None,
            ),
            (&["--as=-c", "work", "--", "a", "-b"], &["--as=-c"], None),
            (&["work", "--", "a", "-b"], &[], None),
            (
                &["--ignore-symlinks", "work", "--", "a", "-b"],
                &["--ignore-symlinks"],
                None,
            ),
            (
                &["--dereference", "work", "--", "a", "-b"],
                &["--dereference"],
                None,
            ),
            (&["work", "--", "a", "-b"], &[], Some(9)),
        ];
        for (typed, options, manifest) in table {
            let typed: Vec<OsString> = typed.iter().map(OsString::from).collect();
            let request = Form::CopyToQube.parse(&typed).unwrap();
            let service = Service::FilecopyAllNames;
            let handed_on = HandedOn {
                result_fd: 7,
                cancel_fd: 8,
                manifest,
                journal: Some(10),
                landed: Some(11),
                entries: Some(12),
                content: None,
            };
            let arguments = client_arguments(&request, service, Path::new("/lib/agent"), handed_on);
            let manifest: &[&str] = match manifest {
                Some(_) => &["--manifest", "9"],
                None => &[],
            };
            let expected = [
                &[
                    "--filter-escape-chars-stderr",
                    "--",
                    "work",
                    "qubes.Filecopy+allow-all-names",
                    "/lib/agent",
                ],
                options,
                &["--result-fd", "7", "--cancel-fd", "8"],
                manifest,
                &["--journal", "10", "--landed", "11", "--entries", "12"],
                &["--", "a", "-b"],
            ]
            .concat();
            assert_eq!(arguments, expected);
        }
    }
}
