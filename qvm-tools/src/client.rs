//! `qrexec-client-vm`: finding it, starting it with the agent, waiting for both, interrupting them.

use std::env;
use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use qfile_proto::display::own;
use qvm_common::dialog::Dialogs;
use qvm_common::interrupt::keep_children;
use qvm_common::programs;
use qvm_common::result_line::{MAX_LINE_BYTES, ResultLine};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Progress, Request};
use crate::ending::Ending;
use crate::judge::Report;
use crate::service::{HandedOn, Service, client_arguments};
use crate::window::Window;

/// The variable that names a client to use in place of the installed one.
const CLIENT_VARIABLE: &str = "QREXEC_CLIENT_VM";

/// How long a copy may take to end by itself once it is cancelled, or once the agent has said what
/// became of it; and then to end when it is told to.
const GRACE: Duration = Duration::from_secs(5);

/// Enough to notice a signal that has been delivered already.
const AT_ONCE: Duration = Duration::from_millis(10);

/// The programs that a copy takes.
#[derive(Debug)]
pub struct Programs {
    client: PathBuf,
    agent: PathBuf,
}

impl Programs {
    /// Finds them.
    ///
    /// # Errors
    /// An [`Ending`] that says which is missing and where to get it.
    pub fn find() -> Result<Self, Ending> {
        Self::with_agent(programs::find("qfile-agent"))
    }

    pub(crate) fn with_agent(agent: PathBuf) -> Result<Self, Ending> {
        if !agent.is_file() {
            return Err(Ending::failed(format!(
                "{} is missing\ninstall the package qubes-core-agent",
                shown(&agent)
            )));
        }
        let client = find_client()?;
        Ok(Self { client, agent })
    }

    /// Calls `service` in the target of `request`, lets the agent send, and waits until that ends.
    /// The agent writes to `manifest` what was confirmed.
    ///
    /// # Errors
    /// An [`Ending`] when the client cannot be started. How the copy went is in the report.
    pub fn call(
        &self,
        request: &Request,
        service: Service,
        total_bytes: u64,
        manifest: Option<&File>,
    ) -> Result<Report, Ending> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .and_then(|runtime| {
                runtime.block_on(self.start_and_wait(request, service, total_bytes, manifest))
            })
            .map_err(|error| {
                Ending::system(&format!("cannot start {}", shown(&self.client)), error)
            })
    }

    async fn start_and_wait(
        &self,
        request: &Request,
        service: Service,
        total_bytes: u64,
        manifest: Option<&File>,
    ) -> io::Result<Report> {
        // Before the client starts, so that no signal is missed.
        let interruptions = Interruptions::new()?;
        let (result, agents_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let manifest = manifest
            .map(File::try_clone)
            .transpose()?
            .map(OwnedFd::from);
        let handed_on = HandedOn {
            result_fd: agents_end.as_raw_fd(),
            manifest: manifest.as_ref().map(OwnedFd::as_raw_fd),
        };
        let arguments = client_arguments(request, service, &self.agent, handed_on);
        let mut command = Command::new(&self.client);
        command
            .args(arguments)
            .env_remove("PROGRESS_TYPE")
            .env("FILECOPY_TOTAL_BYTES", total_bytes.to_string());
        let mut window = None;
        match (request.progress, Dialogs::find()) {
            (Progress::None, _) => {}
            (Progress::Window, Some(dialogs)) => {
                let (counts, clients_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
                window = Some(Window::new(counts, total_bytes, &dialogs, request.delete)?);
                command
                    .env("PROGRESS_TYPE", "gui")
                    .stdout(Stdio::from(clients_stdout));
            }
            (Progress::Terminal | Progress::Window, _) => {
                command.env("PROGRESS_TYPE", "console");
            }
        }
        let client = spawn_with(command, [Some(agents_end), manifest])?;
        wait(
            client,
            pipe::Receiver::from_owned_fd(result)?,
            window,
            interruptions,
        )
        .await
    }
}

/// Starts `command` with `inherited` open under their numbers, here and in what it starts in turn, and
/// closes them on this side. Nothing else is started meanwhile that could inherit them too.
fn spawn_with(mut command: Command, inherited: [Option<OwnedFd>; 2]) -> io::Result<Child> {
    for descriptor in inherited.iter().flatten() {
        fcntl_setfd(descriptor, FdFlags::empty())?;
    }
    command.spawn()
}

async fn wait(
    mut client: Child,
    result: pipe::Receiver,
    window: Option<Window>,
    mut interruptions: Interruptions,
) -> io::Result<Report> {
    let pid = client
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let line = read_line(result);
    tokio::pin!(line);
    let (line, mut cancelled) = tokio::select! {
        line = &mut line => (line, false),
        () = cancelled_in(window) => (patiently(&mut line, pid).await.flatten(), true),
        () = interruptions.next(pid) => (patiently(&mut line, pid).await.flatten(), true),
    };
    // The service may go on for as long as it likes; what became of the copy is known.
    let ended = if cancelled || line.is_some() {
        patiently(client.wait(), pid).await
    } else {
        tokio::select! {
            ended = client.wait() => Some(ended),
            () = interruptions.next(pid) => {
                cancelled = true;
                patiently(client.wait(), pid).await
            }
        }
    };
    // The end of the client may be noticed here before the Ctrl-C that both received. Its status
    // does not tell: the service can end with 130 as well.
    let interrupted = tokio::time::timeout(AT_ONCE, interruptions.next(None)).await;
    Ok(Report {
        line,
        status: ended.transpose()?,
        cancelled: cancelled || interrupted.is_ok(),
    })
}

async fn read_line(result: pipe::Receiver) -> Option<ResultLine> {
    let mut line = Vec::new();
    BufReader::new(result.take(MAX_LINE_BYTES))
        .read_until(b'\n', &mut line)
        .await
        .ok()?;
    ResultLine::read_from(&*line).ok()?
}

async fn cancelled_in(window: Option<Window>) {
    match window {
        Some(window) => window.until_cancelled().await,
        None => std::future::pending().await,
    }
}

/// Waits for what should come soon after a cancellation. When it does not, tells the client to end,
/// and in the end goes without: interruption always works.
async fn patiently<T>(soon: impl Future<Output = T>, client: Option<Pid>) -> Option<T> {
    tokio::pin!(soon);
    if let Ok(done) = tokio::time::timeout(GRACE, &mut soon).await {
        return Some(done);
    }
    terminate(client);
    tokio::time::timeout(GRACE, soon).await.ok()
}

/// The signals by which people and systems end a command. SIGHUP is not among them: a terminal
/// that goes away ends the whole group, and `nohup` is to go on working.
#[derive(Debug)]
pub(crate) struct Interruptions {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Interruptions {
    /// Catches them from now on, and keeps children. There has to be a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        keep_children()?;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one. Ctrl-C reaches the client and the agent from the terminal, and the agent ends
    /// the stream properly; SIGTERM reaches this process alone and is passed on.
    pub(crate) async fn next(&mut self, client: Option<Pid>) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => terminate(client),
        }
    }
}

fn terminate(client: Option<Pid>) {
    if let Some(pid) = client {
        let _ended_already = kill_process(pid, Signal::TERM);
    }
}

/// The client to call services with: `QREXEC_CLIENT_VM`, else the installed one.
///
/// # Errors
/// An [`Ending`] that says what is missing and what to do.
pub fn find_client() -> Result<PathBuf, Ending> {
    match env::var_os(CLIENT_VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => named_client(PathBuf::from(path)),
        None => installed_client(Path::new(programs::INSTALLED_LIBDIR)),
    }
}

pub(crate) fn named_client(client: PathBuf) -> Result<PathBuf, Ending> {
    if client.is_absolute() && client.is_file() {
        return Ok(client);
    }
    Err(Ending::failed(format!(
        "{CLIENT_VARIABLE} is set to \"{}\", which is not the absolute path of a program\n\
         unset it, or set it to that of qrexec-client-vm or qrexec-loopback",
        shown(&client)
    )))
}

fn shown(path: &Path) -> String {
    own(path.as_os_str().as_encoded_bytes())
}

pub(crate) fn installed_client(libdir: &Path) -> Result<PathBuf, Ending> {
    let client = libdir.join("qrexec-client-vm");
    if client.is_file() {
        return Ok(client);
    }
    Err(Ending::failed(format!(
        "this is not a qube: there is no {}\n\
         in a qube of Qubes OS, install the package qubes-core-qrexec; to try the suite elsewhere, \
         let qrexec-loopback stand in: set {CLIENT_VARIABLE} to its absolute path",
        shown(&client)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_for_the_client_is_named_by_an_absolute_path() {
        assert!(named_client(PathBuf::from("/bin/sh")).is_ok());
        for wrong in ["sh", "./sh", "/no/such/program", "/bin", "/\u{1b}"] {
            let ending = named_client(PathBuf::from(wrong)).unwrap_err();
            assert!(ending.message.contains("QREXEC_CLIENT_VM"));
            assert!(!ending.message.contains('\u{1b}'));
        }
    }

    #[test]
    fn where_there_is_no_qrexec_it_says_what_to_do() {
        let empty = tempfile::tempdir().unwrap();
        let ending = installed_client(empty.path()).unwrap_err();
        assert_eq!(ending.status, 1);
        assert!(ending.message.contains("not a qube"));
        assert!(ending.message.contains("qrexec-loopback"));
    }
}
