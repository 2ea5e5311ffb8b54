//! The called side as the calling side sees it: a process, its streams, and what it reports.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::fcntl::OFlag;
use nix::unistd::{dup, pipe2};
use program::failure::Failure;
use program::say::say;
use qfile_proto::QubeName;
use qrexec::channel::{Sink, Source};
use tokio::process::{Child, Command};

use crate::call::broken;
use crate::decide::Destination;
use crate::disposable::Control;
use crate::role::{Call, Role};
use qrexec::Service;
use qrexec::relay::{End, sink_pair, source_pair};
use qrexec::status::{self, REFUSED};

/// The process of the called side: the service, or what looks after its disposable.
#[derive(Debug)]
pub(crate) struct CalledSide {
    process: Child,
    /// To what looks after a disposable.
    control: Option<Control>,
}

/// Our ends of the service's streams.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) stdin: End<Sink>,
    pub(crate) stdout: End<Source>,
    /// A pipe; the others are sockets.
    pub(crate) stderr: OwnedFd,
}

impl CalledSide {
    /// Starts it.
    ///
    /// # Errors
    /// A limit of this machine is reached.
    pub(crate) fn start(
        source: QubeName,
        destination: Destination,
        service: Service,
    ) -> io::Result<(Self, Streams)> {
        let (role, control, _theirs) = match destination {
            Destination::Qube(qube) => {
                let call = Call {
                    source,
                    qube,
                    service,
                };
                (Role::Serve(call), None, None)
            }
            Destination::Disposable(template) => {
                let (ours, theirs) = UnixStream::pair()?;
                // Without close-on-exec, so that the called side inherits it under this number.
                let theirs = dup(&theirs)?;
                let role = Role::Disposable {
                    source,
                    template,
                    service,
                    control: theirs.as_raw_fd(),
                };
                (role, Some(Control::new(ours)?), Some(theirs))
            }
        };
        let (stdin, their_stdin) = sink_pair()?;
        let (stdout, their_stdout) = source_pair()?;
        let (stderr, their_stderr) = pipe2(OFlag::O_CLOEXEC)?;
        let mut command = role.command();
        command
            .stdin(their_stdin)
            .stdout(their_stdout)
            .stderr(their_stderr);
        let process = Command::from(command).spawn()?;
        let streams = Streams {
            stdin,
            stdout,
            stderr,
        };
        Ok((Self { process, control }, streams))
    }

    /// Waits until there is a qube for the service to run in.
    ///
    /// # Errors
    /// The disposable did not start, which counts as refused.
    pub(crate) async fn is_ready(&mut self) -> Result<(), Failure> {
        match &mut self.control {
            None => Ok(()),
            Some(control) => control.report().await.map_err(|complaint| {
                Failure::new("the disposable did not start")
                    .because(complaint)
                    .with_status(REFUSED)
            }),
        }
    }

    /// Waits for the end of the service's own process.
    ///
    /// # Errors
    /// There will be no status.
    pub(crate) async fn service_has_ended(&mut self) -> Result<(), Failure> {
        match &mut self.control {
            None => self.process.wait().await.map(drop).map_err(broken),
            Some(control) => control.report().await.map_err(broken),
        }
    }

    /// Removes the disposable, if it was one; the service's status.
    ///
    /// # Errors
    /// There is no status.
    pub(crate) async fn status(&mut self) -> Result<u8, Failure> {
        self.dismiss_disposable().await;
        let ended = self.process.wait().await;
        ended.map(status::of_process).map_err(broken)
    }

    /// Removes the disposable, if there is one still, with every process in it.
    pub(crate) async fn dismiss_disposable(&mut self) {
        if let Some(control) = self.control.take() {
            if let Err(complaint) = control.dismiss().await {
                say(format_args!("qrexec-loopback: {complaint}"));
            }
        }
    }
}
