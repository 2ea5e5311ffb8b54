//! What the opener, and what it started, write: stderr reaches the caller line by line, since programs
//! say there what became of the file; stdout goes to the log.
//!
//! It comes by way of a pipe: our own stderr in the hands of a daemon would keep the call from ending.
//! A pipe whose reader has gone ends whoever writes to it (SIGPIPE), and an editor may outlive this
//! program; so as long as somebody can write, somebody reads.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use program::programs::find_in_path;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use crate::lines::{Lines, Rate};
use crate::telling::{takes_a_line, tell};

/// More than a pipe holds by default: what an opener wrote before it ended is among the next so many
/// bytes.
const AT_THE_END: usize = 128 * 1024;

/// Where lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goes {
    /// To our stderr, and to the log.
    ToCaller,
    /// To the log.
    ToLog,
}

/// One stream of the opener.
#[derive(Debug)]
pub(crate) struct Output {
    stream: Arc<Stream>,
    reading: JoinHandle<()>,
}

#[derive(Debug)]
struct Stream {
    pipe: pipe::Receiver,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lines: Lines,
    rate: Rate,
    asked: Instant,
    goes: Goes,
    last: Option<Last>,
    left_out: u64,
}

/// The last line that was written.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    pub(crate) text: String,
    /// It is on our stderr already.
    pub(crate) is_said: bool,
}

impl Output {
    /// A stream, and the end of it that is to be written to. There has to be a runtime.
    pub(crate) fn new(goes: Goes) -> io::Result<(Self, OwnedFd)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        let stream = Arc::new(Stream {
            pipe: pipe::Receiver::from_owned_fd(read)?,
            state: Mutex::new(State {
                lines: Lines::default(),
                rate: Rate::default(),
                asked: Instant::now(),
                goes,
                last: None,
                left_out: 0,
            }),
        });
        let reading = tokio::spawn(read_on(Arc::clone(&stream)));
        Ok((Self { stream, reading }, write))
    }

    /// Takes what was written until now, and passes on nothing of what is written later; the last
    /// line, and how many could not be passed on.
    pub(crate) fn end(&self) -> (Option<Last>, u64) {
        let mut taken = 0;
        while taken < AT_THE_END {
            match self.stream.read_now() {
                Ok(count @ 1..) => taken += count,
                _ => break,
            }
        }
        let mut state = self.stream.state();
        state.take_line_end();
        state.goes = Goes::ToLog;
        (state.last.clone(), state.left_out)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.reading.abort();
        let pipe = &self.stream.pipe;
        if !may_be_written_to(pipe) {
            return;
        }
        let Some(cat) = find_in_path("cat") else {
            return;
        };
        let drain = pipe.as_fd().try_clone_to_owned().and_then(|pipe| {
            // cat(1) expects to wait.
            fcntl_setfl(&pipe, OFlags::empty())?;
            Command::new(cat)
                .stdin(pipe)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .current_dir("/")
                .process_group(0)
                .spawn()
        });
        if let Err(error) = drain {
            tracing::warn!(%error, "nobody reads what the opener's programs write");
        }
    }
}

/// Somebody holds the other end.
fn may_be_written_to(pipe: &pipe::Receiver) -> bool {
    let mut pipes = [PollFd::new(pipe, PollFlags::IN)];
    let polled = poll(&mut pipes, Some(&Timespec::default()));
    polled.is_ok() && !pipes[0].revents().contains(PollFlags::HUP)
}

async fn read_on(stream: Arc<Stream>) {
    loop {
        if stream.pipe.readable().await.is_err() {
            return;
        }
        match stream.read_some() {
            Ok(0) => return,
            Err(error) if error.kind() != ErrorKind::WouldBlock => return,
            // Others have their turn, however much is written.
            _ => tokio::task::yield_now().await,
        }
    }
}

impl Stream {
    /// Reads what there is, if the runtime has noticed it.
    fn read_some(&self) -> io::Result<usize> {
        let mut buffer = [0; 8192];
        let count = self.pipe.try_read(&mut buffer)?;
        self.state().take(&buffer[..count]);
        Ok(count)
    }

    /// Reads what there is, also what has been written since the runtime has looked.
    fn read_now(&self) -> io::Result<usize> {
        let mut buffer = [0; 8192];
        let count = rustix::io::read(&self.pipe, &mut buffer)?;
        self.state().take(&buffer[..count]);
        Ok(count)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, written: &[u8]) {
        let mut lines = Vec::new();
        self.lines.take(written, &mut |line| lines.push(line));
        lines.into_iter().for_each(|line| self.pass_on(line));
    }

    fn take_line_end(&mut self) {
        let mut last = None;
        self.lines.end(&mut |line| last = Some(line));
        last.into_iter().for_each(|line| self.pass_on(line));
    }

    fn pass_on(&mut self, text: String) {
        tracing::info!(target: "opener", "{text}");
        let now = Instant::now();
        let elapsed = now - std::mem::replace(&mut self.asked, now);
        let is_said = self.goes == Goes::ToCaller
            && self.rate.allows(text.len(), elapsed)
            // A caller that does not read must not hold up the user of this qube.
            && takes_a_line();
        if is_said {
            tell(&text);
        } else if self.goes == Goes::ToCaller {
            self.left_out += 1;
        }
        self.last = Some(Last { text, is_said });
    }
}
