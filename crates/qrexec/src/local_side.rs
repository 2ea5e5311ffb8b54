//! The caller's end of a call's streams: the local program, or what the client itself was started
//! with.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::sync::Arc;

use nix::sys::stat::fstat;
use nix::unistd::{dup, dup2_stdin, dup2_stdout};
use program::say::say;
use tokio::process::{Child, Command};

use crate::channel::{Sink, Source};
use crate::relay::{End, FlagsAfter};
use crate::status::{self, BROKEN};

/// PROGRAM of a command line, with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramLine {
    /// The program. Only an absolute path can be executed.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl ProgramLine {
    /// The words of a command line; `None` if there are none.
    #[must_use]
    pub fn of(words: Vec<OsString>) -> Option<Self> {
        let mut words = words.into_iter();
        let path = words.next()?.into();
        let arguments = words.collect();
        Some(Self { path, arguments })
    }
}

/// A PROGRAM that was started, or could not be.
#[derive(Debug)]
pub struct Program(Option<Child>);

impl Program {
    /// Starts PROGRAM for `client` between `stdin` and `stdout`. It inherits stderr and every
    /// descriptor without close-on-exec, and finds `variables` in its environment.
    ///
    /// That it cannot be executed is said, and is no error: the service has been started already, and
    /// notices it as end of input.
    ///
    /// # Errors
    /// A limit of this machine is reached.
    pub fn start(
        client: &str,
        line: &ProgramLine,
        variables: impl IntoIterator<Item = (&'static str, PathBuf)>,
        stdin: Stdio,
        stdout: Stdio,
    ) -> io::Result<Self> {
        let saved = [dup(io::stdin())?, dup(io::stdout())?];
        let pass_stderr = env::var_os("PASS_LOCAL_STDERR").is_some();
        let saved_stderr = pass_stderr.then(|| dup(io::stderr())).transpose()?;
        let path: &Path = &line.path;
        let mut command = Command::new(path);
        command
            .arg0(path.file_name().unwrap_or(path.as_os_str()))
            .args(&line.arguments)
            .env("SAVED_FD_0", saved[0].as_raw_fd().to_string())
            .env("SAVED_FD_1", saved[1].as_raw_fd().to_string())
            .envs(
                saved_stderr
                    .iter()
                    .map(|fd| ("SAVED_FD_2", fd.as_raw_fd().to_string())),
            )
            .env("QREXEC_AGENT_PID", process::id().to_string())
            .envs(variables)
            .stdin(stdin)
            .stdout(stdout);
        // Without a slash it would be looked up in PATH, which execv(3) does not do.
        let started = if path.is_absolute() {
            command.spawn()
        } else {
            Err(io::Error::other("its path is not absolute"))
        };
        if let Err(error) = &started {
            let path = text::file(path);
            say(format_args!("{client}: cannot execute {path}: {error}"));
        }
        Ok(Self(started.ok()))
    }

    /// Waits for its end; its status.
    pub async fn status(self) -> u8 {
        match self.0 {
            Some(mut child) => child.wait().await.map_or(BROKEN, status::of_process),
            None => BROKEN,
        }
    }
}

/// Our ends of PROGRAM's stdin and stdout, or what takes their place.
#[derive(Debug)]
pub struct LocalSide {
    /// Where the service's answer goes.
    pub input: End<Sink>,
    /// Where the service's input comes from.
    pub output: End<Source>,
}

impl LocalSide {
    /// Own stdin and stdout. They leave their numbers, so that closing one is noticed.
    ///
    /// # Errors
    /// A limit of this machine is reached.
    pub fn own_streams() -> io::Result<Self> {
        let stdin = io::stdin().as_fd().try_clone_to_owned()?;
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        dup2_stdin(&null)?;
        dup2_stdout(&null)?;
        // Both before either is made non-blocking: they may be one open file, such as sshd's socket.
        let identity = |fd: &OwnedFd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
        let (stdin_flags, stdout_flags) = if identity(&stdin)? == identity(&stdout)? {
            let flags = FlagsAfter::of(&[&stdin, &stdout])?;
            (Arc::clone(&flags), flags)
        } else {
            (FlagsAfter::of(&[&stdin])?, FlagsAfter::of(&[&stdout])?)
        };
        Ok(Self {
            output: End::source(stdin, Some(stdin_flags))?,
            input: End::sink(stdout, Some(stdout_flags))?,
        })
    }
}
