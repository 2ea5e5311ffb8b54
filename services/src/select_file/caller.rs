//! Whether anybody still waits for the answer.

use std::os::fd::BorrowedFd;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::stdio::stdout;
use tokio::sync::oneshot;

/// Returns when nobody can read stdout any more; never where this cannot be known.
pub(super) async fn gone() {
    let (tell, told) = oneshot::channel();
    // An event loop does not take every kind of stdout, such as a file.
    thread::spawn(move || {
        if is_closed(stdout()) {
            let _nobody_asks = tell.send(());
        }
    });
    if told.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until nobody can read `output` any more; false if this cannot be awaited.
fn is_closed(output: BorrowedFd<'_>) -> bool {
    loop {
        // Without events it waits for the end alone (`poll(2)`).
        match poll(
            &mut [PollFd::from_borrowed_fd(output, PollFlags::empty())],
            None,
        ) {
            Ok(_) => return true,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_is_closed() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let waiting = thread::spawn(move || is_closed(writer.as_fd()));
        drop(reader);
        assert!(waiting.join().unwrap());
    }
}
