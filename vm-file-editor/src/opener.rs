//! What shows the file to the user: `qubes-open`, or the desktop's own `xdg-open`.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use qfile_proto::display;
use qvm_common::programs::find_in_path;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// What Qubes OS installs.
const QUBES_OPEN: &str = "/usr/bin/qubes-open";

/// Longest line that is looked at, in bytes.
const MAX_LINE: u64 = 4096;

/// How long to wait for the last words of an opener that has ended already.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The program to start.
#[derive(Debug)]
pub(crate) struct Opener {
    program: PathBuf,
    is_xdg_open: bool,
}

impl Opener {
    /// `custom`, else `qubes-open`, else `xdg-open`.
    pub(crate) fn find(custom: Option<&Path>) -> Result<Self, Failure> {
        let qubes_open = Path::new(QUBES_OPEN);
        let program = custom.or(qubes_open.is_file().then_some(qubes_open));
        if let Some(program) = program {
            return Ok(Self {
                program: program.to_path_buf(),
                is_xdg_open: false,
            });
        }
        Ok(Self {
            program: find_in_path("xdg-open").ok_or(Failure::NoOpener)?,
            is_xdg_open: true,
        })
    }

    /// The name of the program, to be shown.
    pub(crate) fn shown(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// The command that opens `file`, and what it will say on stdout and stderr: neither may get
    /// into the answer, and holding our stderr would keep the call from ending.
    pub(crate) fn command(&self, file: &Path) -> io::Result<(Command, Words)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut command = Command::new(&self.program);
        command
            .arg(file)
            .stdin(Stdio::null())
            .stdout(write.try_clone()?)
            .stderr(write);
        if self.is_xdg_open {
            // It waits for the program that it starts then, instead of asking a desktop to do it.
            command.env("DE", "generic");
        }
        Ok((command, Words::listen(read)?))
    }
}

/// What the opener, and what it started, write. It goes to the log.
#[derive(Debug)]
pub(crate) struct Words {
    listening: JoinHandle<()>,
    last: Arc<Mutex<String>>,
}

impl Words {
    fn listen(pipe: OwnedFd) -> io::Result<Self> {
        let pipe = pipe::Receiver::from_owned_fd(pipe)?;
        let last = Arc::default();
        let listening = tokio::spawn(log(pipe, Arc::clone(&last)));
        Ok(Self { listening, last })
    }

    /// The last line that was not empty.
    pub(crate) async fn last(self) -> String {
        let _others_may_hold_the_pipe = tokio::time::timeout(LAST_WORDS, self.listening).await;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}

async fn log(pipe: pipe::Receiver, last: Arc<Mutex<String>>) {
    let mut words = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut words).take(MAX_LINE);
        match limited.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let shown = display::own(line.trim_ascii());
        if !shown.is_empty() {
            tracing::info!(target: "opener", "{shown}");
            *last.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        }
    }
}
