//! What the caller is told, on stderr. A caller that does not read it must not hold up the user of this
//! qube, nor the answer: what cannot be written within [`PATIENCE`] is dropped.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::stderr;

/// How long a caller may leave stderr unread. It is waited for once.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a pipe takes at once when it can be written to (`PIPE_BUF`, `pipe(7)`), in bytes.
const AT_ONCE: usize = 4096;

/// The caller was waited for in vain.
static GAVE_UP: AtomicBool = AtomicBool::new(false);

/// Writes `text` and a newline to stderr, if the caller takes it in time. Names in `text` have passed
/// `text`.
pub(crate) fn tell(text: impl Display) {
    let patience = match GAVE_UP.load(Ordering::Relaxed) {
        true => Duration::ZERO,
        false => PATIENCE,
    };
    let deadline = Instant::now() + patience;
    let line = format!("{text}\n");
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        if !takes_more(deadline) {
            GAVE_UP.store(true, Ordering::Relaxed);
            return;
        }
        match rustix::io::write(stderr(), &rest[..rest.len().min(AT_ONCE)]) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            // Nobody will ever read it.
            Err(_) => return,
        }
    }
}

/// Stderr takes [`AT_ONCE`] bytes now.
pub(crate) fn takes_a_line() -> bool {
    takes_more(Instant::now())
}

/// Stderr takes [`AT_ONCE`] bytes, or will before `deadline`.
fn takes_more(deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).unwrap_or_default();
        let mut streams = [PollFd::from_borrowed_fd(stderr(), PollFlags::OUT)];
        match poll(&mut streams, Some(&timeout)) {
            Ok(0) => return false,
            // A child has ended, or the like.
            Err(Errno::INTR) => {}
            // What cannot be polled is always ready, and so is what fails.
            Ok(_) | Err(_) => return true,
        }
    }
}
