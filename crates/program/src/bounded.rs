//! Other programs, which get a limited time.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::programs::find_in_path;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, kill_process_group, pidfd_open, waitpid,
};

/// Most bytes of the output of a program that are kept.
const MAX_LEN: u64 = 1 << 20;

/// How long a program that was killed is waited for, before a thread does so.
const TO_DIE: Duration = Duration::from_secs(1);

/// What a program left when it ended.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its stdout, at most 1 MiB.
    pub stdout: Vec<u8>,
    /// Its stderr, at most 1 MiB.
    pub stderr: Vec<u8>,
}

/// Runs a program with nothing on stdin, and kills it and what it started when the time is over.
///
/// # Errors
/// It cannot be started, or the time was over (`ETIMEDOUT`).
pub fn output(command: &mut Command, deadline: Instant) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let stdout = child.stdout.take().map(drain);
    let stderr = child.stderr.take().map(drain);
    let status = wait(&mut child, deadline)?;
    Ok(Output {
        status,
        stdout: received(stdout, deadline),
        stderr: received(stderr, deadline),
    })
}

/// Runs a program with nothing on stdin, whose output goes to stderr of this program.
///
/// # Errors
/// As [`output`].
pub fn run(command: &mut Command, deadline: Instant) -> io::Result<ExitStatus> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(io::stderr()))
        .process_group(0)
        .spawn()?;
    wait(&mut child, deadline)
}

/// A program in `PATH`, or in the folders of the programs of the administrator, which are not in the
/// `PATH` of everybody.
pub fn find(name: &str) -> Option<PathBuf> {
    find_in_path(name).or_else(|| {
        let paths = ["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).join(name));
        paths.into_iter().find(|path| path.is_file())
    })
}

/// Waits for a child that leads a process group, and kills the group when the time is over.
///
/// # Errors
/// The time was over (`ETIMEDOUT`), or waiting fails.
pub fn wait(child: &mut Child, deadline: Instant) -> io::Result<ExitStatus> {
    wait_or(Pid::from_child(child), deadline, kill_process_group)
}

/// As [`wait`], for a child without a group of its own, which alone is killed. Nobody else waits for
/// it.
///
/// # Errors
/// As [`wait`].
pub fn wait_for(child: Pid, deadline: Instant) -> io::Result<ExitStatus> {
    wait_or(child, deadline, kill_process)
}

type Kill = fn(Pid, Signal) -> rustix::io::Result<()>;

fn wait_or(child: Pid, deadline: Instant, kill: Kill) -> io::Result<ExitStatus> {
    let end = match pidfd_open(child, PidfdFlags::empty()) {
        Ok(end) => end,
        Err(error) => {
            // Its end cannot be awaited with a limit, and nobody else would wait for it.
            let _has_ended = kill(child, Signal::KILL);
            reap_on_a_thread(child);
            return Err(error.into());
        }
    };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut polled = [PollFd::new(&end, PollFlags::IN)];
        match poll(&mut polled, Some(&timespec(left))) {
            Ok(0) => {
                let _has_ended = kill(child, Signal::KILL);
                reap(child, &end);
                return Err(Errno::TIMEDOUT.into());
            }
            Ok(_) => return status_of(child),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How a child ended.
fn status_of(child: Pid) -> io::Result<ExitStatus> {
    let ended = retry_on_intr(|| waitpid(Some(child), WaitOptions::empty()))?;
    let (_, status) = ended.ok_or(Errno::CHILD)?;
    Ok(ExitStatus::from_raw(status.as_raw()))
}

/// Waits for a child that was killed. Without that it would stay as a zombie.
fn reap(child: Pid, end: &OwnedFd) {
    let deadline = Instant::now() + TO_DIE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match poll(
            &mut [PollFd::new(end, PollFlags::IN)],
            Some(&timespec(left)),
        ) {
            Err(Errno::INTR) => {}
            Ok(1..) => {
                let _was_killed = status_of(child);
                return;
            }
            // The kernel holds it, for example because a file system does not answer.
            Ok(0) | Err(_) => return reap_on_a_thread(child),
        }
    }
}

/// Waits for a child that was killed, on a thread of its own. Nobody else must wait for it then.
pub fn reap_later(child: &mut Child) {
    reap_on_a_thread(Pid::from_child(child));
}

fn reap_on_a_thread(child: Pid) {
    let waiting = thread::Builder::new().spawn(move || status_of(child));
    // Without a thread it stays as a zombie until this program ends.
    drop(waiting);
}

/// A time to wait, for `poll(2)`.
pub fn timespec(time: Duration) -> Timespec {
    // What is longer than the kernel can say is as good as no limit.
    Timespec::try_from(time).unwrap_or(Timespec {
        tv_sec: i64::MAX,
        tv_nsec: 0,
    })
}

/// Reads to the end on a thread of its own.
fn drain(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _to_the_end = from.by_ref().take(MAX_LEN).read_to_end(&mut bytes);
        // The program must not wait for a reader.
        let _to_the_end = io::copy(&mut from, &mut io::sink());
        let _nobody_waits = tell.send(bytes);
    });
    told
}

/// What was read; nothing if a program that the other left behind still holds the pipe when the time
/// is over.
fn received(told: Option<Receiver<Vec<u8>>>, deadline: Instant) -> Vec<u8> {
    let left = deadline.saturating_duration_since(Instant::now());
    told.and_then(|told| told.recv_timeout(left).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(600)
    }

    #[test]
    fn the_output_of_a_program_is_read_whole() {
        let script = "echo out; echo err >&2; exit 3";
        let output = output(Command::new("sh").args(["-c", script]), far()).unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.stderr, b"err\n");
    }

    #[test]
    fn more_than_is_kept_does_not_stop_a_program() {
        let script = "head -c 3000000 /dev/zero";
        let output = output(Command::new("sh").args(["-c", script]), far()).unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout.len() as u64, MAX_LEN);
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed_with_what_it_started() {
        let script = "tail -f /dev/null & tail -f /dev/null";
        let mut command = Command::new("sh");
        let error = output(command.args(["-c", script]), Instant::now()).unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::TIMEDOUT));
        let script = "exec tail -f /dev/null";
        let error = run(Command::new("sh").args(["-c", script]), Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_program_that_was_killed_is_no_zombie() {
        let start = || {
            let mut command = Command::new("tail");
            command.args(["-f", "/dev/null"]).process_group(0);
            let child = command.spawn().unwrap();
            let process = PathBuf::from(format!("/proc/{}", child.id()));
            assert!(process.exists());
            (child, process)
        };
        let (mut child, process) = start();
        assert!(wait(&mut child, Instant::now()).is_err());
        assert!(!process.exists());
        // Also if nobody waits for it here.
        let (mut child, process) = start();
        child.kill().unwrap();
        reap_later(&mut child);
        while process.exists() {
            thread::yield_now();
        }
    }
}
