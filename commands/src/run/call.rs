//! One call of a service, joined to our stdin and stdout.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use program::failure::Failure;
use program::interrupt::{Interrupt, exit_status as signalled};
use qrexec::client::terminate;
use qrexec::status;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::oneshot;

use super::input::Input;

/// Its number (`signal(7)`).
const SIGPIPE: u8 = 13;

/// Calls to one qube.
#[derive(Debug)]
pub(super) struct Call<'a> {
    client: &'a Path,
    target: &'a str,
    interrupt: Interrupt,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) status: u8,
    /// The service wrote something to its stdout, or the user ended the call.
    pub(super) has_answered: bool,
}

/// What became of the service's stdout.
#[derive(Debug)]
struct Answer {
    is_empty: bool,
    written: io::Result<()>,
}

impl<'a> Call<'a> {
    /// Catches the signals that end it. There has to be a runtime.
    ///
    /// # Errors
    /// They cannot be caught.
    pub(super) fn new(client: &'a Path, target: &'a str) -> Result<Self, Failure> {
        let interrupt = Interrupt::catch().map_err(Failure::of("cannot catch signals"))?;
        Ok(Self {
            client,
            target,
            interrupt,
        })
    }

    /// Calls `service`, whose stdin is `first` and then all of `input`; returns when it has ended and
    /// all of its stdout is on ours.
    ///
    /// # Errors
    /// The client cannot be started, or our stdout cannot be written.
    pub(super) async fn make(
        &mut self,
        service: &str,
        first: &[u8],
        input: &mut Input,
    ) -> Result<Ended, Failure> {
        // The client makes its stdout non-blocking, so it must not be ours.
        let (answer, to_us) =
            pipe_with(PipeFlags::CLOEXEC).map_err(Failure::of("cannot make a pipe"))?;
        let mut command = Command::new(self.client);
        // A terminal obeys what another qube writes.
        if io::stderr().is_terminal() {
            command.arg("--filter-escape-chars-stderr");
        }
        if io::stdout().is_terminal() {
            command.arg("--filter-escape-chars-stdout");
        }
        command.arg("--").args([self.target, service]);
        command
            .stdin(Stdio::piped())
            .stdout(to_us)
            .kill_on_drop(true);
        let attempted = || format!("cannot start {}", text::file(self.client));
        let mut client = command
            .spawn()
            .map_err(|error| Failure::of(attempted())(error))?;
        // Its end of the pipe, so that there is an end of input.
        drop(command);
        let mut answered = forward(answer);
        let mut to = client.stdin.take();
        let feed = async {
            if let Some(mut to) = to.take() {
                to.write_all(first).await?;
                input.feed(&mut to).await?;
            }
            io::Result::Ok(())
        };
        tokio::pin!(feed);
        let mut is_fed = false;
        let mut answer = None;
        let status = loop {
            tokio::select! {
                // Nobody may read all of it; how the call ends says whether that is well.
                _ = &mut feed, if !is_fed => is_fed = true,
                done = &mut answered, if answer.is_none() => {
                    answer = done.ok();
                    if let Some(Answer { written: Err(error), .. }) = answer {
                        terminate(client).await;
                        return unwritten(error);
                    }
                }
                status = client.wait() => break status,
                signal = self.interrupt.caught() => {
                    terminate(client).await;
                    return Ok(Ended { status: signalled(signal), has_answered: true });
                }
            }
        };
        let status = status.map_err(Failure::of("cannot wait for the client of qrexec"))?;
        let answer = match answer {
            Some(answer) => Some(answer),
            None => tokio::select! {
                done = answered => done.ok(),
                signal = self.interrupt.caught() => {
                    return Ok(Ended { status: signalled(signal), has_answered: true });
                }
            },
        };
        let answer = answer.ok_or_else(|| Failure::new("cannot read what the service answers"))?;
        if let Err(error) = answer.written {
            return unwritten(error);
        }
        Ok(Ended {
            status: status::of_process(status),
            has_answered: !answer.is_empty,
        })
    }
}

/// The end of a call whose answer nobody takes. A reader that has seen enough is no failure: the status
/// is that of a program which SIGPIPE ends.
fn unwritten(error: io::Error) -> Result<Ended, Failure> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(Ended {
            status: signalled(SIGPIPE),
            has_answered: true,
        }),
        _ => Err(Failure::of("cannot write to stdout")(error)),
    }
}

/// Copies the service's stdout to ours, on a thread of its own: what our stdout is cannot be made
/// non-blocking for all who share it.
fn forward(answer: OwnedFd) -> oneshot::Receiver<Answer> {
    let (sender, done) = oneshot::channel();
    thread::spawn(move || {
        let mut is_empty = true;
        let written = copy(answer.into(), &mut is_empty);
        let _call_was_ended = sender.send(Answer { is_empty, written });
    });
    done
}

fn copy(mut answer: File, is_empty: &mut bool) -> io::Result<()> {
    let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match answer.read(&mut buffer)? {
            0 => return Ok(()),
            count => {
                *is_empty = false;
                stdout.write_all(&buffer[..count])?;
            }
        }
    }
}
