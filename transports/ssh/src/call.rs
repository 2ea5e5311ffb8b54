//! A call: ssh, the local program, and how both ended.

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use program::failure::Failure;
use program::interrupt::{self, Interrupt};
use program::say::say;
use qrexec::channel::Source;
use qrexec::client::{GRACE, terminate};
use qrexec::local_side::{LocalSide, Program, ProgramLine};
use qrexec::relay::{End, Manner, forward_stderr, relay, sink_pair, source_pair};
use qrexec::status::{self, BROKEN, NO_SERVICE};
use tokio::process::Child;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::{self, JoinHandle};
use tracing::debug;

use crate::args::CLIENT;
use crate::engine;
use crate::go_ahead::{self, Answer};
use crate::wire::Request;
use qrexec::Destination;

/// What shall pass as printable characters only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filters {
    pub(crate) stderr: bool,
    /// Not with PROGRAM.
    pub(crate) stdout: bool,
}

/// A call that can be made.
#[derive(Debug)]
pub(crate) struct Call {
    /// As it was typed.
    pub(crate) target: String,
    pub(crate) destination: Destination,
    pub(crate) request: Request,
    pub(crate) program: Option<ProgramLine>,
    pub(crate) filters: Filters,
    pub(crate) buffer_size: usize,
}

/// Our ends of the streams of ssh.
#[derive(Debug)]
struct Streams {
    /// The other end of its stdin. With PROGRAM it becomes PROGRAM's stdout, so that no byte passes
    /// through here.
    stdin: UnixStream,
    stdout: End<Source>,
    /// Passes its stderr on, if that is filtered.
    stderr: Option<JoinHandle<()>>,
    /// How long the go-ahead may take.
    limit: Option<Duration>,
}

/// Makes a call, and waits until it has ended; its exit status.
///
/// # Errors
/// It could not be made.
pub(crate) fn make(call: &Call) -> Result<u8, Failure> {
    let failed = |error: io::Error| {
        let attempted = format!("cannot call {}", call.shown());
        Failure::new(attempted).because(error).with_status(BROKEN)
    };
    let ssh = engine::find()?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let ended = runtime.block_on(async {
        let mut interrupt = Interrupt::catch().map_err(failed)?;
        let (mut child, streams) = call.start(&ssh).map_err(failed)?;
        let ended = tokio::select! {
            ended = call.converse(&mut child, streams) => ended.map_err(failed),
            signal = interrupt.caught() => Ok(interrupt::exit_status(signal)),
        };
        // The streams of both sides are closed. Most often it has ended already.
        terminate(child).await;
        ended
    });
    // The thread of stderr may still be waiting for it.
    runtime.shutdown_background();
    ended
}

impl Call {
    /// For people: what is called where.
    fn shown(&self) -> String {
        let target = text::own(self.target.as_bytes());
        format!("{} on {target}", self.request.service())
    }

    fn start(&self, ssh: &Path) -> io::Result<(Child, Streams)> {
        let (stdin, its_stdin) = UnixStream::pair()?;
        let (stdout, its_stdout) = source_pair()?;
        let (mut command, limit) = engine::command(ssh, &self.destination, &self.request);
        command
            .stdin(OwnedFd::from(its_stdin))
            .stdout(its_stdout)
            .kill_on_drop(true);
        let mut stderr = None;
        if self.filters.stderr {
            let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
            command.stderr(write);
            stderr = Some(task::spawn_blocking(move || forward_stderr(read, true)));
        }
        debug!(?command, "starting");
        let streams = Streams {
            stdin,
            stdout,
            stderr,
            limit,
        };
        Ok((command.spawn()?, streams))
    }

    async fn converse(&self, ssh: &mut Child, mut streams: Streams) -> io::Result<u8> {
        let answer = go_ahead::wait(&mut streams.stdout, streams.limit).await;
        debug!(?answer);
        match answer {
            Ok(Answer::Allowed(first_bytes)) => self.join(ssh, streams, first_bytes).await,
            Ok(Answer::Else) => {
                say(format_args!(
                    "{CLIENT}: cannot call {}: something other than qrexec-ssh-serve answers there\n\
                     {CLIENT}: in authorized_keys there, bind the key to it: see qrexec-ssh-serve(8)",
                    self.shown()
                ));
                Ok(BROKEN)
            }
            Ok(Answer::Late) => {
                say(format_args!(
                    "{CLIENT}: cannot call {}: no answer within {} seconds\n\
                     {CLIENT}: see the messages above, and try: ssh {}",
                    self.shown(),
                    engine::LIMIT.as_secs(),
                    self.destination
                ));
                Ok(BROKEN)
            }
            // A connection that is reset has ended too.
            Ok(Answer::Ended) | Err(_) => {
                let status = ended(ssh, streams.stderr.take()).await?;
                Ok(self.explain_before(status))
            }
        }
    }

    /// The status of a call that got no go-ahead. What the other machine and ssh have to say of it
    /// stands on stderr already.
    fn explain_before(&self, status: u8) -> u8 {
        let shown = self.shown();
        match status {
            0 => {
                say(format_args!(
                    "{CLIENT}: cannot call {shown}: the other machine ended the call without an answer\n\
                     {CLIENT}: in authorized_keys there, bind the key to qrexec-ssh-serve(8)"
                ));
                BROKEN
            }
            BROKEN => {
                say(format_args!(
                    "{CLIENT}: cannot call {shown}: ssh did not make the connection, or lost it\n\
                     {CLIENT}: see the messages above, and try: ssh {}",
                    self.destination
                ));
                BROKEN
            }
            NO_SERVICE => {
                say(format_args!(
                    "{CLIENT}: cannot call {shown}: there is no such service, or the key is not bound \
                     to qrexec-ssh-serve(8) there"
                ));
                NO_SERVICE
            }
            other => other,
        }
    }

    /// Joins the local side and the service.
    async fn join(
        &self,
        ssh: &mut Child,
        streams: Streams,
        first_bytes: Vec<u8>,
    ) -> io::Result<u8> {
        let manner = |only_printable| Manner {
            buffer_size: self.buffer_size,
            only_printable,
            passed: Arc::default(),
        };
        let its_stdin = OwnedFd::from(streams.stdin);
        let (program_ended, when_program_ended) = oneshot::channel();
        let (input, program, to_service) = match &self.program {
            Some(line) => {
                let (input, stdin) = sink_pair()?;
                let program = Program::start(CLIENT, line, [], stdin, its_stdin.into())?;
                (input, Some(program), None)
            }
            None => {
                let LocalSide { input, output } = LocalSide::own_streams()?;
                let to_service = End::sink(its_stdin, None)?;
                let relay = relay(output, to_service, pending(), manner(false));
                (input, None, Some(task::spawn(relay)))
            }
        };
        let from_service = task::spawn(relay(
            streams.stdout.with_read_before(first_bytes),
            input,
            async { drop(when_program_ended.await) },
            manner(self.filters.stdout && self.program.is_none()),
        ));
        let program = task::spawn(async move {
            let status = match program {
                Some(program) => program.status().await,
                None => pending().await,
            };
            let _call_has_ended = program_ended.send(());
            status
        });
        let service = ended(ssh, streams.stderr).await?;
        // What ssh wrote last is passed on before this ends.
        let _passed_on = from_service.await;
        if let Some(to_service) = to_service {
            to_service.abort();
            let _aborted = to_service.await;
        }
        debug!(service, "ssh has ended");
        if service == BROKEN {
            say(format_args!(
                "{CLIENT}: the call of {} ended with status {BROKEN}: the connection broke, or the \
                 service ended so",
                self.shown()
            ));
        }
        match &self.program {
            None => Ok(service),
            Some(_) => Ok(status::of_call(service, program.await.unwrap_or(BROKEN))),
        }
    }
}

/// Waits for the end of ssh, and until its last words have been passed on; its status.
async fn ended(ssh: &mut Child, stderr: Option<JoinHandle<()>>) -> io::Result<u8> {
    let status = ssh.wait().await?;
    // Of a service that a signal ended, there is a number. What a signal ended here is ssh.
    let status = match status.code() {
        Some(_) => status::of_process(status),
        None => BROKEN,
    };
    if let Some(stderr) = stderr {
        // Something that ssh has left behind, such as a shared connection, may hold it.
        let _in_time = tokio::time::timeout(GRACE, stderr).await;
    }
    Ok(status)
}
