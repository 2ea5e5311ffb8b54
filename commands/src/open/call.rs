//! One call of a service through `qrexec-client-vm`, on private pipes.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use program::failure::Failure;
use program::interrupt::{Interrupt, exit_status as signalled};
use qopen_in_vm::{
    Choice, Conversation, Ended, Limit, MAY_BE_OPEN, Original, Outcome, converse, finish_as,
};
use qrexec::CallStatus;
use qrexec::channel::{Sink, Source};
use qrexec::client::{GRACE, Kind, terminate};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::process::{Child, Command};

use super::guard::Guard;
use super::why::{exit_status, why};
use crate::deadline::Deadline;

/// A call that is to be made.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) client: &'a Path,
    pub(super) target: &'a str,
    pub(super) service: &'static str,
    pub(super) deadline: Option<Deadline>,
}

/// What came of a call that was made.
#[derive(Debug)]
pub(super) struct Edited {
    pub(super) outcome: Outcome,
    /// A message about the other qube, in addition to the outcome.
    pub(super) remark: Option<String>,
    /// The exit status of the command if the original has not got the edit.
    pub(super) status: u8,
}

/// What has come when the other qube has said everything, though the call has not ended.
#[derive(Debug)]
enum Received {
    /// An answer that is whole is in its place at once: the call may go on for long, as the server may
    /// have a window to show, and what happens until then must not take the edit with it.
    Placed(Outcome),
    /// How the call ends tells whether it is whole.
    Waiting(Conversation),
}

impl Received {
    fn new(original: &Original, conversation: Conversation, choice: &Choice<'_>) -> Self {
        match conversation.is_whole() {
            true => Self::Placed(finish_as(original, conversation, Ended::Unknown, choice)),
            false => Self::Waiting(conversation),
        }
    }

    fn ended(self, original: &Original, ended: Ended, choice: &Choice<'_>) -> Outcome {
        match self {
            Self::Placed(outcome) => outcome.after(ended),
            Self::Waiting(conversation) => finish_as(original, conversation, ended, choice),
        }
    }
}

impl Call<'_> {
    /// Sends a file, receives the answer and puts it in its place; returns when the call has ended.
    ///
    /// # Errors
    /// The client cannot be started, or the user interrupts before the answer is there: then
    /// nothing has changed here.
    pub(super) async fn edit(
        &self,
        original: &Original,
        limit: Limit,
        choice: &Choice<'_>,
    ) -> Result<Edited, Failure> {
        let mut interrupt = catch()?;
        let (mut client, to, from) = self.start()?;
        let _guard = Guard::of(&client);
        let conversation = tokio::select! {
            conversation = converse(original, limit, to, from) => conversation,
            signal = interrupt.caught() => {
                terminate(client).await;
                return Err(Failure::new(limit.interrupted())
                    .advise(MAY_BE_OPEN)
                    .with_status(signalled(signal)));
            }
            () = Deadline::reached(self.deadline) => {
                terminate(client).await;
                let what = match limit.view_only {
                    true => self.over(),
                    false => format!("{}; the file was not replaced", self.over()),
                };
                return Err(Failure::new(what).advise(MAY_BE_OPEN));
            }
        };
        let remark = conversation.start_up_text(&self.qube());
        // A service that broke the rules may not end either. Its status could only say why.
        let patience = match conversation.has_failed() {
            true => GRACE,
            false => Duration::MAX,
        };
        let received = Received::new(original, conversation, choice);
        let (ended, status) = tokio::select! {
            biased;
            // What has come stays: it is all, as far as the other qube has said. The signal may be an
            // older one, which came while the difference was shown.
            signal = interrupt.caught() => {
                terminate(client).await;
                let why = Failure::new("interrupted before the call had ended")
                    .advise("open it again");
                (Ended::Badly(why), signalled(signal))
            }
            status = tokio::time::timeout(patience, client.wait()) => match status {
                Ok(status) => {
                    let status: CallStatus = status
                        .map_err(Failure::of("cannot wait for qrexec"))?
                        .into();
                    let why = why(Kind::of(self.client), status, self.target, self.service);
                    (why.map_or(Ended::Well, Ended::Badly), exit_status(status))
                }
                Err(_) => {
                    terminate(client).await;
                    (Ended::Unknown, 1)
                }
            },
            () = Deadline::reached(self.deadline) => {
                terminate(client).await;
                let what = format!("{} before the call had ended", self.over());
                let why = Failure::new(what).advise("open it again");
                (Ended::Badly(why), 1)
            }
        };
        Ok(Edited {
            outcome: received.ended(original, ended, choice),
            remark,
            status,
        })
    }

    /// What there is to say when the time is over.
    fn over(&self) -> String {
        self.deadline.map(Deadline::told).unwrap_or_default()
    }

    /// The other qube, as far as it is known which it is.
    pub(super) fn qube(&self) -> String {
        match self.target.starts_with('@') {
            true => "the other qube".to_owned(),
            false => text::own(self.target.as_bytes()),
        }
    }

    /// Sends one line; returns when the call has ended.
    ///
    /// # Errors
    /// The client cannot be started, the user interrupts, or the call does not end well.
    pub(super) async fn send_line(&self, line: &str) -> Result<(), Failure> {
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
            signal = interrupt.caught() => {
                terminate(client).await;
                let what = "interrupted; the address may be open in the other qube";
                return Err(Failure::new(what).with_status(signalled(signal)));
            }
            () = Deadline::reached(self.deadline) => {
                terminate(client).await;
                let what = format!("{}; the address may be open in the other qube", self.over());
                return Err(Failure::new(what));
            }
        };
        let status: CallStatus = status
            .map_err(Failure::of("cannot wait for qrexec"))?
            .into();
        match why(Kind::of(self.client), status, self.target, self.service) {
            None => Ok(()),
            Some(why) => Err(why.with_status(exit_status(status))),
        }
    }

    fn start(&self) -> Result<(Child, Sink, Source), Failure> {
        let cannot = |error: std::io::Error| {
            let client = text::file(self.client);
            Failure::of(format_args!("cannot start {client}"))(error)
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

fn catch() -> Result<Interrupt, Failure> {
    Interrupt::catch().map_err(Failure::of("cannot catch signals"))
}
