//! The program at the other end: `qfile-agent`, which makes a stream, or `qfile-unpacker`, which takes
//! it. What it says is said above the line of progress.

use std::io::{self, BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use program::interrupt::{self, Interrupt};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::runtime::Builder;

use crate::device::progress::Progress;

/// A program that was started.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) child: Child,
    messages: Option<JoinHandle<()>>,
    handle: OwnedFd,
    is_silenced: Arc<AtomicBool>,
}

/// Whether the user has cancelled.
#[derive(Clone, Debug, Default)]
pub(super) struct Cancelled(Arc<AtomicBool>);

/// Makes children that end wait until they are asked how, whatever the parent has done to SIGCHLD.
pub(super) fn keep_children() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    interrupt::keep_children()
}

impl Program {
    /// Starts `command`.
    pub(super) fn start(command: &mut Command, progress: &Progress) -> io::Result<Self> {
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty());
        let handle = handle.inspect_err(|_| {
            let _it_is_ours = child.kill();
        })?;
        let is_silenced = Arc::new(AtomicBool::new(false));
        let messages = match child.stderr.take() {
            Some(stderr) => {
                let (progress, is_silenced) = (progress.clone(), Arc::clone(&is_silenced));
                let work = move || forward(stderr, &progress, &is_silenced);
                Some(
                    thread::Builder::new()
                        .name("messages".to_owned())
                        .spawn(work)?,
                )
            }
            None => None,
        };
        Ok(Self {
            child,
            messages,
            handle,
            is_silenced,
        })
    }

    /// Cancels it when a signal asks this program to end.
    pub(super) fn cancel_with_signals(&self) -> io::Result<Cancelled> {
        let cancelled = Cancelled::default();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut interrupt = {
            let _entered = runtime.enter();
            // Before anything is written, so that no signal is missed.
            Interrupt::catch()?
        };
        let handle = self.handle.try_clone()?;
        let (is_silenced, noticed) = (Arc::clone(&self.is_silenced), cancelled.clone());
        let work = move || {
            runtime.block_on(interrupt.caught());
            noticed.0.store(true, Ordering::SeqCst);
            is_silenced.store(true, Ordering::SeqCst);
            let _has_ended = pidfd_send_signal(handle, Signal::KILL);
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(work)?;
        Ok(cancelled)
    }

    /// Ends it, without another word of it.
    pub(super) fn end(mut self) {
        self.is_silenced.store(true, Ordering::SeqCst);
        let _has_ended = pidfd_send_signal(&self.handle, Signal::KILL);
        self.wait();
    }

    /// Waits until it has ended and everything that it said is said.
    pub(super) fn wait(&mut self) {
        let _how_does_not_count = self.child.wait();
        if let Some(messages) = self.messages.take() {
            let _has_ended = messages.join();
        }
    }
}

impl Cancelled {
    /// True if the user has cancelled.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

fn forward(stderr: ChildStderr, progress: &Progress, is_silenced: &AtomicBool) {
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else {
            return;
        };
        if !is_silenced.load(Ordering::SeqCst) {
            progress.above(&text::line(&line));
        }
    }
}
