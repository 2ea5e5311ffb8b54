//! The calling side of a call's streams: PROGRAM, or what the caller itself was started with.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process;

use nix::unistd::{dup, dup2_stdin, dup2_stdout};
use program::say::say;
use qrexec::channel::{Sink, Source};
use tokio::process::{Child, Command};

use crate::args::calling_qube;
use crate::local_qubes::LocalQubes;
use crate::qubes_db;
use crate::relay::{End, sink_pair, source_pair, status_flags};
use qrexec::status::{self, BROKEN};

/// Our ends of PROGRAM's stdin and stdout, or what takes their place.
#[derive(Debug)]
pub(crate) struct LocalSide {
    /// Where the service's answer goes.
    pub(crate) input: End<Sink>,
    /// Where the service's input comes from.
    pub(crate) output: End<Source>,
}

/// A PROGRAM that was started, or could not be.
#[derive(Debug)]
pub(crate) struct Program(Option<Child>);

impl Program {
    /// Starts PROGRAM, which inherits stderr and every descriptor without close-on-exec.
    ///
    /// That it cannot be executed is no error: the service has been started already, and notices it
    /// as end of input.
    ///
    /// # Errors
    /// A limit of this machine is reached.
    pub(crate) fn start(path: &Path, arguments: &[OsString]) -> io::Result<(LocalSide, Self)> {
        let (input, its_stdin) = sink_pair()?;
        let (output, its_stdout) = source_pair()?;
        let saved = [dup(io::stdin())?, dup(io::stdout())?];
        let pass_stderr = env::var_os("PASS_LOCAL_STDERR").is_some();
        let saved_stderr = pass_stderr.then(|| dup(io::stderr())).transpose()?;
        let mut command = Command::new(path);
        command
            .arg0(path.file_name().unwrap_or(path.as_os_str()))
            .args(arguments)
            .env("SAVED_FD_0", saved[0].as_raw_fd().to_string())
            .env("SAVED_FD_1", saved[1].as_raw_fd().to_string())
            .envs(
                saved_stderr
                    .iter()
                    .map(|fd| ("SAVED_FD_2", fd.as_raw_fd().to_string())),
            )
            .env("QREXEC_AGENT_PID", process::id().to_string())
            .envs(own_qubes_db())
            .stdin(its_stdin)
            .stdout(its_stdout);
        // Without a slash it would be looked up in PATH, which execv(3) does not do.
        let started = if path.is_absolute() {
            command.spawn()
        } else {
            Err(io::Error::other("its path is not absolute"))
        };
        if let Err(error) = &started {
            let path = text::path(path);
            say(format_args!(
                "qrexec-loopback: cannot execute \"{path}\": {error}"
            ));
        }
        Ok((LocalSide { input, output }, Self(started.ok())))
    }

    /// Waits for its end; its status.
    pub(crate) async fn status(self) -> u8 {
        match self.0 {
            Some(mut child) => child.wait().await.map_or(BROKEN, status::of_process),
            None => BROKEN,
        }
    }
}

impl LocalSide {
    /// Own stdin and stdout. They leave their numbers, so that closing one is noticed.
    ///
    /// # Errors
    /// A limit of this machine is reached.
    pub(crate) fn own_streams() -> io::Result<Self> {
        let stdin = io::stdin().as_fd().try_clone_to_owned()?;
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        dup2_stdin(&null)?;
        dup2_stdout(&null)?;
        // Both before either is made non-blocking: they may be one open file.
        let (stdin_flags, stdout_flags) = (status_flags(&stdin)?, status_flags(&stdout)?);
        Ok(Self {
            output: End::source(stdin, Some(stdin_flags))?,
            input: End::sink(stdout, Some(stdout_flags))?,
        })
    }
}

/// Where the local program finds the QubesDB of its qube.
fn own_qubes_db() -> Option<(&'static str, PathBuf)> {
    let (qubes, qube) = (LocalQubes::from_env().ok()?, calling_qube().ok()?);
    Some((qubesdb::FOLDER_VARIABLE, qubes_db::folder(&qubes, &qube)))
}
