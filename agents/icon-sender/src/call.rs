//! A call of qubes.WindowIconUpdater in dom0: a process that passes on what it is given.
//!
//! dom0 may read as slowly as it likes. So there is never more than one icon on the way to it, and
//! writing does not wait.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use program::bounded;
use qrexec::status;
use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, ioctl_fionbio, write};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};

use crate::icon::Icon;

/// The service, and where it is.
pub(crate) const SERVICE: &str = "qubes.WindowIconUpdater";
const TARGET: &str = "dom0";

/// How long a call that reads nothing more may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// How long a client that was killed may take to end, before it is waited for elsewhere.
const TO_DIE: Duration = Duration::from_secs(1);

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    client: Child,
    stdin: ChildStdin,
    end: OwnedFd,
    begin: Instant,
    message: Message,
}

/// How far writing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// There is nothing left to write.
    All,
    /// The client has to read first.
    Part,
    /// The client will not read any more.
    Closed,
}

impl Call {
    /// Starts the client of qrexec. Nothing comes back from the service.
    pub(crate) fn start(client: &Path) -> io::Result<Self> {
        let mut client = Command::new(client)
            .args([TARGET, SERVICE])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        match ends_of(&mut client) {
            Ok((end, stdin)) => Ok(Self {
                client,
                stdin,
                end,
                begin: Instant::now(),
                message: Message::default(),
            }),
            Err(error) => {
                let _has_ended = client.kill();
                bounded::reap_later(&mut client);
                Err(error.into())
            }
        }
    }

    /// Is there nothing left to write?
    pub(crate) fn is_idle(&self) -> bool {
        self.message.is_written()
    }

    /// Takes an icon to send. There must be nothing left to write.
    pub(crate) fn take(&mut self, window: u32, icon: Icon) {
        self.message = Message {
            header: icon.header(window),
            rgba: icon.into_rgba(),
            written: 0,
        };
    }

    /// Writes as much as the client takes now.
    pub(crate) fn write(&mut self) -> Written {
        while !self.message.is_written() {
            match write(&self.stdin, self.message.rest()) {
                Ok(count) => self.message.written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Written::Part,
                Err(_) => return Written::Closed,
            }
        }
        // An icon that was sent needs no memory.
        self.message = Message::default();
        Written::All
    }

    /// The end of the client, and its stdin, for `poll(2)`.
    pub(crate) fn polled(&self) -> [PollFd<'_>; 2] {
        let wanted = match self.is_idle() {
            // Only whether the client has closed it.
            true => PollFlags::empty(),
            false => PollFlags::OUT,
        };
        [
            PollFd::new(&self.end, PollFlags::IN),
            PollFd::new(&self.stdin, wanted),
        ]
    }

    /// Brings the call to its end. Nothing more is written.
    pub(crate) fn finish(self) -> Ending {
        Ending {
            client: self.client,
            end: self.end,
            lasted: self.begin.elapsed(),
            deadline: Instant::now() + GRACE,
            is_killed: false,
        }
    }
}

/// The end of a client as a descriptor, and its stdin, which does not wait.
fn ends_of(client: &mut Child) -> Result<(OwnedFd, ChildStdin), Errno> {
    let end = pidfd_open(Pid::from_child(client), PidfdFlags::empty())?;
    let stdin = client.stdin.take().ok_or(Errno::BADF)?;
    ioctl_fionbio(&stdin, true)?;
    Ok((end, stdin))
}

/// A call whose client has to end by itself, or is killed.
#[derive(Debug)]
pub(crate) struct Ending {
    client: Child,
    end: OwnedFd,
    lasted: Duration,
    deadline: Instant,
    is_killed: bool,
}

impl Ending {
    /// How long the call lasted.
    pub(crate) fn lasted(&self) -> Duration {
        self.lasted
    }

    /// When [`ended`](Self::ended) has to be asked again, even if nothing happens.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The end of the client, for `poll(2)`.
    pub(crate) fn polled(&self) -> PollFd<'_> {
        PollFd::new(&self.end, PollFlags::IN)
    }

    /// How the client ended; `None` if it has not. Does not wait.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let killed = || "it read nothing more, and was killed".to_owned();
        match self.client.try_wait() {
            Ok(Some(_)) if self.is_killed => return Some(killed()),
            Ok(Some(status)) => return Some(format!("status {}", status::of_process(status))),
            Ok(None) if Instant::now() < self.deadline => return None,
            Ok(None) => {}
            Err(error) => return Some(error.to_string()),
        }
        if self.is_killed {
            // The kernel holds it.
            bounded::reap_later(&mut self.client);
            return Some(killed());
        }
        let _has_ended = kill_process_group(Pid::from_child(&self.client), Signal::KILL);
        self.is_killed = true;
        self.deadline = Instant::now() + TO_DIE;
        None
    }

    /// Ends the client, without waiting for it.
    pub(crate) fn cancel(self) {
        let _has_ended = kill_process(Pid::from_child(&self.client), Signal::TERM);
    }
}

/// What is being written.
#[derive(Debug, Default)]
struct Message {
    header: Vec<u8>,
    rgba: Vec<u8>,
    written: usize,
}

impl Message {
    /// What can be written next; empty at the end.
    fn rest(&self) -> &[u8] {
        match self.written.checked_sub(self.header.len()) {
            None => &self.header[self.written..],
            Some(written) => &self.rgba[written..],
        }
    }

    fn is_written(&self) -> bool {
        self.rest().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use crate::icon::Size;

    use super::*;

    #[test]
    fn a_message_is_the_header_and_then_the_pixels() {
        let icon = Icon::new(Size::new(1, 2).unwrap(), (0..8).collect()).unwrap();
        let mut message = Message {
            header: icon.header(77),
            rgba: icon.into_rgba(),
            written: 0,
        };
        let mut written = Vec::new();
        while !message.is_written() {
            let rest = message.rest();
            let part = &rest[..rest.len().min(3)];
            written.extend_from_slice(part);
            message.written += part.len();
        }
        assert_eq!(written, b"77\n1 2\n\0\x01\x02\x03\x04\x05\x06\x07");
        assert!(Message::default().is_written());
    }
}
