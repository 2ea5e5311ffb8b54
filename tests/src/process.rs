//! Starting programs, also by way of another, waiting for them with a bound, and what is left of them.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::hangup;

/// After this long a program hangs: it and its children are killed, and the test fails. No test
/// waits for it when all is well.
pub(crate) const HANGS_AFTER: Duration = Duration::from_secs(150);

/// What a program left when it ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its stdout; empty where the test's peer read it.
    pub stdout: Vec<u8>,
    /// Its stderr.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// The exit status; 128+N after signal N.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Its stderr as text.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Fails the test unless the status is `code`.
    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code(), code, "stderr:\n{}", self.stderr());
    }

    /// Fails the test unless the program says `text` on stderr.
    #[track_caller]
    pub fn assert_says(&self, text: &str) {
        let stderr = self.stderr();
        assert!(stderr.contains(text), "{text:?} is not in:\n{stderr}");
    }
}

/// `command`, with its environment and its working folder, as the last arguments of another program.
#[must_use]
pub fn wrapped_in<W: AsRef<OsStr>>(wrapper: &[W], command: &Command) -> Command {
    let mut wrapped = Command::new(&wrapper[0]);
    wrapped
        .args(&wrapper[1..])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}

/// Runs `command` with nothing on stdin.
pub fn run(mut command: Command) -> Finished {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut running = Running::start(command);
    let stdout = running.child.stdout.take().map(drain);
    let mut finished = running.finish();
    finished.stdout = stdout.map(joined).unwrap_or_default();
    finished
}

/// A program at work: in a process group of its own, stderr collected, killed when it hangs.
#[derive(Debug)]
pub struct Running {
    /// The program itself.
    pub child: Child,
    stderr: Option<JoinHandle<Vec<u8>>>,
    hang_guard: Sender<()>,
}

impl Running {
    /// Starts `command`, whose stdin and stdout are set. It is consumed, so that no copy of the
    /// program's ends stays open here.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        hangup::give_children_the_default();
        command.process_group(0).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        drop(command);
        let (hang_guard, alive) = mpsc::channel();
        let group = Pid::from_child(&child);
        thread::spawn(move || {
            if alive.recv_timeout(HANGS_AFTER) == Err(RecvTimeoutError::Timeout) {
                // What cannot be killed has just ended.
                let _ = kill_process_group(group, Signal::KILL);
            }
        });
        Self {
            stderr: child.stderr.take().map(drain),
            child,
            hang_guard,
        }
    }

    /// Waits until it has ended and nothing holds its stderr any more.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        let status = self.child.wait().expect("a child can be waited for");
        let stderr = self.stderr.take().map(joined).unwrap_or_default();
        drop(self.hang_guard);
        Finished {
            status,
            stdout: Vec::new(),
            stderr,
        }
    }
}

/// Reads to the end on a thread of its own.
pub fn drain(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A connection that is reset has ended too; what came before counts.
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

fn joined(thread: JoinHandle<Vec<u8>>) -> Vec<u8> {
    thread.join().expect("reading does not panic")
}
