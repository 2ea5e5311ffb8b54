//! A receiver that is fed by hand and watched at work: what it has read, whether it waits, what the
//! kernel says of it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::ioctl_fionread;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process};

use crate::changes;
use crate::peer::Answer;
use crate::process::{Finished, Running};
use crate::stream::{Stream, Verdict};

/// How often to look whether it sleeps before it is given up, [`PAUSE`] apart: the kernel tells nobody
/// but a tracer. No test gets there when all is well.
const MAX_LOOKS: u32 = 100_000;
const PAUSE: Duration = Duration::from_micros(500);

/// A receiver at work.
#[derive(Debug)]
pub struct Watched {
    running: Running,
    stream: File,
    verdict: File,
}

impl Watched {
    /// Starts `receiver` on two pipes.
    #[must_use]
    pub fn start(receiver: Command) -> Self {
        let (its_stdin, stream) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        Self::start_on(its_stdin, stream, receiver)
    }

    /// Starts `receiver` on two pipes, of which its stdin does not block (`O_NONBLOCK`).
    #[must_use]
    pub fn start_without_blocking(receiver: Command) -> Self {
        let (its_stdin, stream) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        fcntl_setfl(&its_stdin, OFlags::NONBLOCK).expect("a pipe can be set so");
        Self::start_on(its_stdin, stream, receiver)
    }

    fn start_on(its_stdin: OwnedFd, stream: OwnedFd, mut receiver: Command) -> Self {
        let (verdict, its_stdout) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        receiver.stdin(Stdio::from(its_stdin));
        receiver.stdout(Stdio::from(its_stdout));
        Self {
            running: Running::start(receiver),
            stream: stream.into(),
            verdict: verdict.into(),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// Sends bytes of the stream.
    ///
    /// # Errors
    /// `EPIPE` when it reads no more.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a part of the stream, and waits until the receiver has done all that it can do with
    /// it and waits for more.
    #[track_caller]
    pub fn send_and_settle(&mut self, part: &Stream) {
        self.send(part.as_bytes()).expect("the receiver reads on");
        self.settle();
    }

    /// Waits until it has read everything sent so far and sleeps: it is waiting for more.
    #[track_caller]
    pub fn settle(&mut self) {
        for _ in 0..MAX_LOOKS {
            let unread = ioctl_fionread(&self.stream).expect("a pipe knows its length");
            if unread == 0 && self.sleeps() {
                return;
            }
            let status = self
                .running
                .child
                .try_wait()
                .expect("a child can be waited for");
            assert!(status.is_none(), "the receiver has ended: {status:?}");
            thread::sleep(PAUSE);
        }
        panic!("the receiver does not get to wait for more");
    }

    /// Waits until something shows in `folder`, for a receiver that another program runs and traces.
    #[track_caller]
    pub fn until(&self, folder: &Path, shows: impl Fn() -> bool) {
        let process = Pid::from_child(&self.running.child);
        let shown = changes::until_or_end(folder, process, shows);
        assert!(shown, "the receiver has ended");
    }

    /// What `/proc/PID/FILE` says.
    #[must_use]
    pub fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.pid());
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The field `name` of `/proc/PID/status`, its words separated by one space.
    #[must_use]
    pub fn status(&self, name: &str) -> String {
        field(&self.proc("status"), name)
    }

    /// The field `name` of the status of each of its threads: privileges and filters are a thread's
    /// own.
    #[must_use]
    pub fn of_every_thread(&self, name: &str) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it is at work");
        let statuses = tasks.map(|task| {
            let path = task.expect("it is listed").path().join("status");
            fs::read_to_string(path).expect("a thread at work has a status")
        });
        statuses.map(|status| field(&status, name)).collect()
    }

    /// The most memory that it has had in use, in KiB.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let peak = self.status("VmHWM");
        let number = peak.strip_suffix(" kB").and_then(|kib| kib.parse().ok());
        number.unwrap_or_else(|| panic!("no number of KiB: {peak}"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.running.child);
        kill_process(pid, signal).expect("a child can be killed until it has been waited for");
    }

    /// Sends `signal`, which ends it, and waits for that.
    #[must_use]
    pub fn end_by(self, signal: Signal) -> Finished {
        self.signal(signal);
        self.running.finish()
    }

    /// Sends the rest of the stream as far as it is wanted, ends it, and takes the verdict.
    #[must_use]
    pub fn finish(self, rest: &Stream) -> Answer {
        let Self {
            running,
            mut stream,
            mut verdict,
        } = self;
        let mut bytes = Vec::new();
        thread::scope(|scope| {
            scope.spawn(move || {
                // A receiver that refuses stops reading.
                let _ = stream.write_all(rest.as_bytes());
            });
            verdict.read_to_end(&mut bytes).expect("a pipe can be read");
        });
        Answer {
            verdict: Verdict::parse(&bytes),
            finished: running.finish(),
        }
    }

    /// Whether every thread sleeps (`S`): none is at work for another one that waits for it.
    fn sleeps(&self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it is our child");
        tasks
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok())
            .all(|stat| {
                stat.rsplit(") ")
                    .next()
                    .is_some_and(|rest| rest.starts_with('S'))
            })
    }
}

fn field(status: &str, name: &str) -> String {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .unwrap_or_else(|| panic!("no {name} in {status}"));
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}
