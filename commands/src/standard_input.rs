//! `-`: standard input as one file.
//!
//! The length of a file is sent before its content, so what comes is stored first, in a file without
//! a name.

use std::fs::File;
use std::io::{self, Seek as _};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use program::failure::Failure;
use transfer::manifest::waiting_file;
use transfer::result_line::Outcome;

use crate::deadline::Deadline;
use crate::ending::with;

/// Reads all of stdin, for as long as `deadline` allows.
///
/// # Errors
/// It cannot be read or stored, or does not end in time.
pub(crate) fn store(deadline: Option<Deadline>) -> Result<File, Failure> {
    let (send, receive) = channel();
    // A thread, because nothing ends a read that waits. When the command ends, so does the thread.
    thread::spawn(move || send.send(read()));
    let left = deadline.and_then(Deadline::left);
    let stored = match left {
        Some(left) => receive.recv_timeout(left),
        None => receive.recv().map_err(RecvTimeoutError::from),
    };
    match stored {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(error)) => Err(Failure::new("cannot store stdin in a temporary file")
            .because(error)
            .advise(
                "nothing was sent; make room in /var/tmp, or set TMPDIR to a folder on a disk with room",
            )),
        Err(_) => {
            let limit = deadline.unwrap_or_else(|| Deadline::after(Duration::MAX));
            Err(with(
                Outcome::Cancelled,
                format_args!("{} before stdin had ended; nothing was sent", limit.told()),
            ))
        }
    }
}

fn read() -> io::Result<File> {
    let mut file = waiting_file()?;
    io::copy(&mut io::stdin().lock(), &mut file)?;
    file.rewind()?;
    Ok(file)
}
