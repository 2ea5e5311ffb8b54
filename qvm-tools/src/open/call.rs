//! One call of a service through `qrexec-client-vm`, on private pipes.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use qopen_client::{Conversation, Ended, Limit, Original, Reason, converse};
use qvm_common::channel::{Sink, Source};
use qvm_common::interrupt::{Interrupt, exit_status as signalled};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::why::{exit_status, why};
use crate::ending::Ending;

/// How long a client that was told to end may take for it.
const GRACE: Duration = Duration::from_secs(2);

/// A call that is to be made.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) client: &'a Path,
    pub(super) target: &'a str,
    pub(super) service: &'static str,
}

/// What came of a call that was made.
#[derive(Debug)]
pub(super) struct Edited {
    pub(super) conversation: Conversation,
    pub(super) ended: Ended,
    /// The exit status of the command if the original has not got the edit.
    pub(super) status: u8,
}

impl Call<'_> {
    /// Sends a file and receives the answer; returns when the call has ended.
    ///
    /// # Errors
    /// The client cannot be started, or the user interrupts before the answer is there: then
    /// nothing has changed.
    pub(super) async fn edit(&self, original: &Original, limit: Limit) -> Result<Edited, Ending> {
        let mut interrupt = catch()?;
        let (mut client, to, from) = self.start()?;
        let conversation = tokio::select! {
            conversation = converse(original, limit, to, from) => conversation,
            signal = interrupt.caught() => return Err(end(client, signal).await),
        };
        // A service that broke the rules may not end either. Its status could only say why.
        let patience = match conversation.has_failed() {
            true => GRACE,
            false => Duration::MAX,
        };
        let status = tokio::select! {
            status = tokio::time::timeout(patience, client.wait()) => status,
            // What has come stays: it is all, as far as the other qube has said.
            signal = interrupt.caught() => {
                end(client, signal).await;
                return Ok(Edited {
                    conversation,
                    ended: Ended::Badly(Reason {
                        what: "interrupted before the call had ended".to_owned(),
                        advice: "open it again",
                    }),
                    status: signalled(signal),
                });
            }
        };
        let Ok(status) = status else {
            terminate(client).await;
            return Ok(Edited {
                conversation,
                ended: Ended::Unknown,
                status: 1,
            });
        };
        let status = status.map_err(|error| Ending::system("cannot wait for qrexec", error))?;
        let ended = why(status, self.target, self.service).map_or(Ended::Well, Ended::Badly);
        Ok(Edited {
            conversation,
            ended,
            status: exit_status(status),
        })
    }

    /// Sends one line; returns when the call has ended.
    ///
    /// # Errors
    /// The client cannot be started, the user interrupts, or the call does not end well.
    pub(super) async fn send_line(&self, line: &str) -> Result<(), Ending> {
        let mut interrupt = catch()?;
        let (mut client, mut to, mut from) = self.start()?;
        let worked = async {
            // If it is not taken, the status says why.
            let _taken = to.write_all(format!("{line}\n").as_bytes()).await;
            drop(to);
            let mut dropped = [0; 4096];
            while from.read(&mut dropped).await.is_ok_and(|count| count > 0) {}
            client.wait().await
        };
        let status = tokio::select! {
            status = worked => status,
            signal = interrupt.caught() => return Err(end(client, signal).await),
        };
        let status = status.map_err(|error| Ending::system("cannot wait for qrexec", error))?;
        match why(status, self.target, self.service) {
            None => Ok(()),
            Some(Reason { what, advice }) => Err(Ending::with_status(
                exit_status(status),
                format!("{what}\n{advice}"),
            )),
        }
    }

    fn start(&self) -> Result<(Child, Sink, Source), Ending> {
        let cannot = |error: std::io::Error| {
            let client = qfile_proto::display::own(self.client.as_os_str().as_encoded_bytes());
            Ending::system(&format!("cannot start {client}"), error)
        };
        let cannot_pipe = |error| cannot(std::io::Error::from(error));
        // It makes these non-blocking as it likes: nobody else has them.
        let (from, stdout) = pipe_with(PipeFlags::CLOEXEC).map_err(cannot_pipe)?;
        let (stdin, to) = pipe_with(PipeFlags::CLOEXEC).map_err(cannot_pipe)?;
        let client = Command::new(self.client)
            .args([
                "--filter-escape-chars-stderr",
                "--",
                self.target,
                self.service,
            ])
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(stdout))
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot)?;
        let to = Sink::new(to).map_err(cannot)?;
        let from = Source::new(from).map_err(cannot)?;
        Ok((client, to, from))
    }
}

fn catch() -> Result<Interrupt, Ending> {
    Interrupt::catch().map_err(|error| Ending::system("cannot catch signals", error))
}

/// Ends the client after `signal`; how the command ends then.
async fn end(client: Child, signal: u8) -> Ending {
    terminate(client).await;
    Ending::with_status(signalled(signal), "interrupted; nothing was changed")
}

/// Tells the client to end, and kills it if it takes too long.
async fn terminate(mut client: Child) {
    let pid = client.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        let _has_ended = kill_process(pid, Signal::TERM);
    }
    let _in_time = tokio::time::timeout(GRACE, client.wait()).await;
}
