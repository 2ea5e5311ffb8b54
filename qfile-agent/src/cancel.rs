//! What ends a copy early: signals, and the descriptor of `--cancel-fd`.
//!
//! A thread of its own waits for them, so that a read from a file system that does not answer cannot
//! keep a copy from ending. The sender watches a pipe that this thread lets go of; when the sender
//! has not come to its end soon after that, the thread ends the program.

use std::fs::File;
use std::future::pending;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use program::inherited;
use program::interrupt::Interrupt;
use program::say::clear_line;
use rustix::fs::fstat;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;
use transfer::SendError;

use crate::args::Args;
use crate::error::Error;
use crate::report::Report;

/// How long a copy may take to end by itself once it is cancelled; longer than it waits for a verdict
/// then, and shorter than `qvm-copy` waits for it.
const GRACE: Duration = Duration::from_secs(4);

/// Whose it is to say how the copy ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastWord(Arc<AtomicBool>);

impl LastWord {
    /// True for the first who asks.
    pub(crate) fn is_mine(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

/// The end of a pipe that nobody can write to any more once the copy is cancelled.
///
/// # Errors
/// There is no such descriptor, or a limit of the system is reached.
pub(crate) fn watch(args: &Args, is_gui: bool, last_word: LastWord) -> io::Result<OwnedFd> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (noticed, notice) = pipe_with(PipeFlags::CLOEXEC)?;
    let (interrupt, caller) = {
        // Before anything is sent, so that no signal is missed.
        let _entered = runtime.enter();
        (Interrupt::catch()?, args.cancel_fd.map(caller).transpose()?)
    };
    let result_fd = args.result_fd;
    let work = move || {
        wait(&runtime, interrupt, caller, notice);
        if last_word.is_mine() {
            end(result_fd, is_gui);
        }
    };
    thread::Builder::new()
        .name("cancel".to_owned())
        .spawn(work)?;
    Ok(noticed)
}

#[expect(
    clippy::exit,
    reason = "the thread that sends waits for something that does not come"
)]
fn end(result_fd: Option<RawFd>, is_gui: bool) {
    clear_line();
    let report = Report::new(Err(Error::Sending(SendError::Cancelled)), true);
    let _the_same_status = report.deliver(result_fd, is_gui);
    exit(report.outcome.status().into());
}

/// The inherited descriptor `number`, which is a pipe.
fn caller(number: RawFd) -> io::Result<pipe::Receiver> {
    let caller = inherited::take(number)?;
    fstat(&caller)?;
    pipe::Receiver::from_file(File::from(caller))
}

/// Returns when the program is to end at once.
fn wait(
    runtime: &Runtime,
    mut interrupt: Interrupt,
    caller: Option<pipe::Receiver>,
    notice: OwnedFd,
) {
    runtime.block_on(async {
        tokio::select! {
            _ = interrupt.caught() => {}
            () = let_go(caller) => {}
        }
        drop(notice);
        tokio::select! {
            // Whoever asks twice is in a hurry.
            _ = interrupt.caught() => {}
            () = sleep(GRACE) => {}
        }
    });
}

/// Returns when the caller writes, or has closed its end.
async fn let_go(caller: Option<pipe::Receiver>) {
    match caller {
        Some(mut caller) => drop(caller.read_u8().await),
        None => pending().await,
    }
}
