//! `qrexec-client-vm`: finding it, starting it with the agent, waiting for both, interrupting them.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use desktop::dialog::Dialogs;
use program::failure::Failure;
use program::interrupt::Interrupt;
use program::programs::{self, find_in_path};
use qrexec::client::{self, Kind, NoClient, patiently, spawn_with};
use rustix::fs::{Access, access};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use transfer::result_line::{MAX_LINE_BYTES, ResultLine};

use crate::args::{Progress, Request};
use crate::deadline::Deadline;
use crate::judge::Report;
use crate::service::{HandedOn, Service, client_arguments};
use crate::window::Window;

/// Enough to notice a signal that has been delivered already.
const AT_ONCE: Duration = Duration::from_millis(10);

/// The files that the agent inherits.
#[derive(Debug, Default)]
pub struct Lists {
    /// Where it writes what was confirmed.
    pub manifest: Option<File>,
    /// Where it writes what has landed, if the copy stops.
    pub journal: Option<File>,
    /// What has landed before.
    pub landed: Option<File>,
    /// Where it writes a line for each entry.
    pub entries: Option<File>,
    /// What it sends in place of paths.
    pub content: Option<File>,
}

impl Lists {
    /// Those that a script asked for.
    ///
    /// # Errors
    /// Stdout is closed.
    pub(crate) fn for_scripts(request: &Request) -> Result<Self, Failure> {
        let stdout = || io::stdout().as_fd().try_clone_to_owned().map(File::from);
        let entries = request.json.then(stdout).transpose();
        Ok(Self {
            entries: entries.map_err(Failure::of("cannot write to stdout"))?,
            ..Self::default()
        })
    }
}

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
    /// A [`Failure`] that says which is missing and where to get it.
    pub fn find() -> Result<Self, Failure> {
        Self::with_agent(programs::find("qfile-agent"))
    }

    pub(crate) fn with_agent(agent: PathBuf) -> Result<Self, Failure> {
        if !agent.is_file() {
            return Err(
                Failure::new(format_args!("{} is missing", text::file(&agent)))
                    .advise("install the package qubes-core-agent"),
            );
        }
        let client = find_client()?;
        Ok(Self { client, agent })
    }

    /// Calls `service` in the target of `request`, lets the agent send, and waits until that ends.
    /// The agent reads and writes `lists`.
    ///
    /// # Errors
    /// A [`Failure`] when the client cannot be started. How the copy went is in the report.
    pub fn call(
        &self,
        request: &Request,
        service: Service,
        total_bytes: u64,
        lists: &Lists,
    ) -> Result<Report, Failure> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .and_then(|runtime| {
                runtime.block_on(self.start_and_wait(request, service, total_bytes, lists))
            })
            .map_err(|error| {
                Failure::of(format_args!("cannot start {}", text::file(&self.client)))(error)
            })
    }

    async fn start_and_wait(
        &self,
        request: &Request,
        service: Service,
        total_bytes: u64,
        lists: &Lists,
    ) -> io::Result<Report> {
        // Before the client starts, so that no signal is missed.
        let interruptions = Interruptions::new(request.deadline)?;
        let (result, agents_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let (cancelled, let_go) = pipe_with(PipeFlags::CLOEXEC)?;
        let inherit = |file: &Option<File>| {
            let file = file.as_ref().map(File::try_clone).transpose()?;
            io::Result::Ok(file.map(OwnedFd::from))
        };
        let manifest = inherit(&lists.manifest)?;
        let journal = inherit(&lists.journal)?;
        let landed = inherit(&lists.landed)?;
        let entries = inherit(&lists.entries)?;
        let content = inherit(&lists.content)?;
        let handed_on = HandedOn {
            result_fd: agents_end.as_raw_fd(),
            cancel_fd: cancelled.as_raw_fd(),
            manifest: manifest.as_ref().map(OwnedFd::as_raw_fd),
            journal: journal.as_ref().map(OwnedFd::as_raw_fd),
            landed: landed.as_ref().map(OwnedFd::as_raw_fd),
            entries: entries.as_ref().map(OwnedFd::as_raw_fd),
            content: content.as_ref().map(OwnedFd::as_raw_fd),
        };
        let arguments = client_arguments(request, service, &self.agent, handed_on);
        let mut command = self.undisturbed_client();
        command
            .args(arguments)
            .env_remove("PROGRESS_TYPE")
            .env("FILECOPY_TOTAL_BYTES", total_bytes.to_string());
        let mut window = None;
        match (request.progress, Dialogs::find()) {
            (Progress::None, _) => {}
            (Progress::Window, Some(dialogs)) => {
                let (counts, clients_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
                window = Some(Window::new(
                    counts,
                    total_bytes,
                    &dialogs,
                    request.delete,
                    &request.target,
                )?);
                command
                    .env("PROGRESS_TYPE", "gui")
                    .stdout(Stdio::from(clients_stdout));
            }
            (Progress::Terminal | Progress::Window, _) => {
                command.env("PROGRESS_TYPE", "console");
            }
        }
        let inherited = [
            Some(agents_end),
            Some(cancelled),
            manifest,
            journal,
            landed,
            entries,
            content,
        ];
        let client = spawn_with(command, inherited.into_iter().flatten())?;
        let call = Call {
            client,
            kind: Kind::of(&self.client),
            let_go: Some(let_go),
        };
        let result = pipe::Receiver::from_owned_fd(result)?;
        call.wait(result, window, interruptions).await
    }

    /// The client, which Ctrl-C and the end of the terminal are kept from where there is a way to:
    /// through it comes the verdict that says how much has arrived.
    fn undisturbed_client(&self) -> Command {
        let client = self.client.as_os_str();
        // What cannot be executed is to fail as itself. A path with a = would be taken for a variable.
        let can_be_named = !client.as_bytes().contains(&b'=');
        let can_be_executed = access(&self.client, Access::EXEC_OK).is_ok();
        match find_in_path("env").filter(|_| can_be_named && can_be_executed) {
            Some(env) => {
                let mut command = Command::new(env);
                command.args(["--ignore-signal=INT", "--ignore-signal=HUP"]);
                command.arg(client);
                command
            }
            None => Command::new(client),
        }
    }
}

/// A call under way.
#[derive(Debug)]
struct Call {
    client: Child,
    kind: Kind,
    /// The agent cancels the copy when this is closed.
    let_go: Option<OwnedFd>,
}

impl Call {
    async fn wait(
        mut self,
        result: pipe::Receiver,
        window: Option<Window>,
        mut interruptions: Interruptions,
    ) -> io::Result<Report> {
        let pid = client::pid(&self.client);
        let line = read_line(result);
        tokio::pin!(line);
        let (line, mut cancelled) = tokio::select! {
            line = &mut line => (line, false),
            () = cancelled_in(window) => (self.cancel(&mut line, pid).await, true),
            () = interruptions.next() => (self.cancel(&mut line, pid).await, true),
        };
        // The service may go on for as long as it likes; what became of the copy is known.
        let ended = if cancelled || line.is_some() {
            patiently(self.client.wait(), pid).await
        } else {
            tokio::select! {
                ended = self.client.wait() => Some(ended),
                () = interruptions.next() => {
                    cancelled = true;
                    self.let_go = None;
                    patiently(self.client.wait(), pid).await
                }
            }
        };
        // The end of the client may be noticed here before the signal that both received. Its status
        // does not tell: the service can end with 130 as well.
        let interrupted = tokio::time::timeout(AT_ONCE, interruptions.next()).await;
        Ok(Report {
            line,
            status: ended.transpose()?.map(Into::into),
            client: self.kind,
            cancelled: cancelled || interrupted.is_ok(),
        })
    }

    /// Has the agent cancel the copy, and waits for what it says of it.
    async fn cancel(
        &mut self,
        line: impl Future<Output = Option<ResultLine>>,
        pid: Option<Pid>,
    ) -> Option<ResultLine> {
        self.let_go = None;
        patiently(line, pid).await.flatten()
    }
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

/// What ends a command early: the signals of people and systems, and the end of its time.
#[derive(Debug)]
pub(crate) struct Interruptions {
    signals: Interrupt,
    deadline: Option<Deadline>,
}

impl Interruptions {
    /// Catches signals from now on, and keeps children. There has to be a runtime.
    pub(crate) fn new(deadline: Option<Deadline>) -> io::Result<Self> {
        Ok(Self {
            signals: Interrupt::catch()?,
            deadline,
        })
    }

    /// Waits for one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.signals.caught() => {}
            () = Deadline::reached(self.deadline) => {}
        }
    }
}

/// The client to call services with.
///
/// # Errors
/// A [`Failure`] that says what is missing and what to do.
pub fn find_client() -> Result<PathBuf, Failure> {
    client::find().map_err(|error| without_client(&error))
}

/// The end of a command that finds no client.
pub(crate) fn without_client(error: &NoClient) -> Failure {
    Failure::new(error).advise(error.advice())
}
