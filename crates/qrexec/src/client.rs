//! The client of qrexec as a child process: finding it, handing descriptors to it, ending it.

use std::env;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use program::programs;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// The variable that names a client to use in place of the installed one.
const CLIENT_VARIABLE: &str = "QREXEC_CLIENT_VM";

/// How long a call may take to end by itself once it is cancelled; and then to end when it is told
/// to. The sender waits for a verdict for less.
pub const GRACE: Duration = Duration::from_secs(5);

/// The client where the one of qrexec is not installed.
const OVER_SSH: &str = "qrexec-ssh";

/// How a client reaches the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// As qrexec does: dom0 decides about a call to a qube.
    #[default]
    Qrexec,
    /// Over ssh: another machine decides.
    Ssh,
}

impl Kind {
    /// That of the client `client`, which is known by its name.
    #[must_use]
    pub fn of(client: &Path) -> Self {
        match client.file_name().is_some_and(|name| name == OVER_SSH) {
            true => Self::Ssh,
            false => Self::Qrexec,
        }
    }

    /// That of the client that would be used now. Without one it does not matter.
    #[must_use]
    pub fn of_this_machine() -> Self {
        find().map_or(Self::default(), |client| Self::of(&client))
    }
}

/// No client can be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoClient {
    /// `QREXEC_CLIENT_VM` names no program.
    Variable(PathBuf),
    /// The installed one is missing.
    NotInstalled(PathBuf),
}

impl fmt::Display for NoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(path) => write!(
                f,
                "{CLIENT_VARIABLE} is set to {}, which is not the absolute path of a program",
                text::file(path)
            ),
            Self::NotInstalled(path) => {
                write!(f, "this is not a qube: there is no {}", text::file(path))
            }
        }
    }
}

impl std::error::Error for NoClient {}

impl NoClient {
    /// What to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Variable(_) => {
                "unset it, or set it to that of qrexec-client-vm, qrexec-ssh or qrexec-loopback"
            }
            Self::NotInstalled(_) => {
                "in a qube of Qubes OS, install the package qubes-core-qrexec; elsewhere, install the \
                 package qfile-remote to reach other machines over ssh; to try the suite, let \
                 qrexec-loopback stand in: set QREXEC_CLIENT_VM to its absolute path"
            }
        }
    }
}

/// The client to call services with: `QREXEC_CLIENT_VM`, else that of qrexec, else `qrexec-ssh`.
///
/// # Errors
/// There is none.
pub fn find() -> Result<PathBuf, NoClient> {
    match env::var_os(CLIENT_VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => named(PathBuf::from(path)),
        None => installed(Path::new(programs::INSTALLED_LIBDIR)).or_else(|none| {
            let over_ssh = programs::find(OVER_SSH);
            over_ssh.is_file().then_some(over_ssh).ok_or(none)
        }),
    }
}

/// The client that a person named.
///
/// # Errors
/// It is not the absolute path of a file.
pub fn named(client: PathBuf) -> Result<PathBuf, NoClient> {
    match client.is_absolute() && client.is_file() {
        true => Ok(client),
        false => Err(NoClient::Variable(client)),
    }
}

/// The client that is installed in `libdir`.
///
/// # Errors
/// There is none.
pub fn installed(libdir: &Path) -> Result<PathBuf, NoClient> {
    let client = libdir.join("qrexec-client-vm");
    match client.is_file() {
        true => Ok(client),
        false => Err(NoClient::NotInstalled(client)),
    }
}

/// Starts `command` with `inherited` open under their numbers, here and in what it starts in turn,
/// and closes them on this side. Nothing else may be started meanwhile that would inherit them too.
///
/// # Errors
/// It cannot be started.
pub fn spawn_with(
    mut command: Command,
    inherited: impl IntoIterator<Item = OwnedFd>,
) -> io::Result<Child> {
    let inherited: Vec<OwnedFd> = inherited.into_iter().collect();
    for descriptor in &inherited {
        fcntl_setfd(descriptor, FdFlags::empty())?;
    }
    command.spawn()
}

/// The process that `client` is, until it has been waited for.
#[must_use]
pub fn pid(client: &Child) -> Option<Pid> {
    let id = client.id().and_then(|id| i32::try_from(id).ok());
    id.and_then(Pid::from_raw)
}

/// Waits for what should come soon after a cancellation. When it does not come, tells the client to
/// end, and in the end goes without: interruption always works.
pub async fn patiently<T>(soon: impl Future<Output = T>, client: Option<Pid>) -> Option<T> {
    tokio::pin!(soon);
    if let Ok(done) = tokio::time::timeout(GRACE, &mut soon).await {
        return Some(done);
    }
    tell_to_end(client);
    tokio::time::timeout(GRACE, soon).await.ok()
}

/// Tells the client to end, and waits for that; a client that was started with `kill_on_drop` is
/// killed if it takes too long.
pub async fn terminate(mut client: Child) {
    tell_to_end(pid(&client));
    let _in_time = tokio::time::timeout(GRACE, client.wait()).await;
}

fn tell_to_end(client: Option<Pid>) {
    if let Some(pid) = client {
        let _has_ended = kill_process(pid, Signal::TERM);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_for_the_client_is_named_by_an_absolute_path() {
        assert!(named(PathBuf::from("/bin/sh")).is_ok());
        for wrong in ["sh", "./sh", "/no/such/program", "/bin", "/\u{1b}"] {
            let error = named(PathBuf::from(wrong)).unwrap_err().to_string();
            assert!(error.contains("QREXEC_CLIENT_VM"));
            assert!(!error.contains('\u{1b}'));
        }
    }

    #[test]
    fn what_goes_over_ssh_is_known_by_its_name() {
        let kind = |client: &str| Kind::of(Path::new(client));
        assert_eq!(kind("/usr/lib/qubes/qrexec-ssh"), Kind::Ssh);
        assert_eq!(kind("/usr/lib/qubes/qrexec-client-vm"), Kind::Qrexec);
        assert_eq!(kind("/qrexec-ssh/qrexec-loopback"), Kind::Qrexec);
    }

    #[test]
    fn where_there_is_no_qrexec_it_says_what_to_do() {
        let empty = tempfile::tempdir().unwrap();
        let error = installed(empty.path()).unwrap_err();
        assert!(error.to_string().contains("not a qube"));
        assert!(error.advice().contains("qrexec-loopback"));
    }
}
