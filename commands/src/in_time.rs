//! Work that must not hold up the end of a call: a thread does it, and is left behind when the time is
//! over.
//!
//! What is left behind goes on until the program ends. A thread that waits for the daemon of a FUSE file
//! system, which has taken its request and does not answer, cannot be ended by the kernel, and the
//! program stays until the daemon answers or is gone. The user has been told before.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use program::failure::Failure;

/// Whether somebody still waits for the work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    is_over: Arc<AtomicBool>,
}

impl Waiting {
    /// Writes `text` and a newline to stdout; nothing if nobody waits any more. Nothing comes behind what
    /// another thread writes to stdout after that.
    ///
    /// # Errors
    /// Nobody takes it.
    pub(crate) fn answer(&self, text: &str) -> Result<(), Failure> {
        self.write(&mut io::stdout().lock(), text)
    }

    /// `output` is locked already: the question and the writing are one step for others who write to it.
    fn write(&self, output: &mut impl io::Write, text: &str) -> Result<(), Failure> {
        if self.is_over.load(Ordering::SeqCst) {
            return Ok(());
        }
        let written = output.write_all(format!("{text}\n").as_bytes());
        written.map_err(Failure::of("cannot write to stdout"))
    }
}

/// Does `work` in a thread called `name`, and waits as long for what comes of it; `None` if that was
/// not long enough. From then on [`Waiting::answer`] writes nothing.
///
/// # Errors
/// There is no thread to be had, or it ended without a result.
pub(crate) fn in_time<T: Send + 'static>(
    name: &str,
    left: Duration,
    work: impl FnOnce(&Waiting) -> T + Send + 'static,
) -> Result<Option<T>, Failure> {
    let waiting = Waiting::default();
    let (done, result) = mpsc::channel();
    let theirs = waiting.clone();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _nobody_waits_any_more = done.send(work(&theirs));
        })
        .map_err(Failure::of(format_args!("cannot start the {name}")))?;
    match result.recv_timeout(left) {
        Ok(result) => Ok(Some(result)),
        Err(RecvTimeoutError::Timeout) => {
            waiting.is_over.store(true, Ordering::SeqCst);
            Ok(None)
        }
        Err(RecvTimeoutError::Disconnected) => Err(Failure::new(format_args!(
            "the {name} ended without a result"
        ))
        .advise("this is an error in the program: please report it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn what_is_done_in_time_comes_back() {
        assert_eq!(in_time("sum", LONG, |_| 1 + 1).unwrap(), Some(2));
    }

    #[test]
    fn a_thread_that_panics_is_no_time_limit() {
        let failure = in_time("survey", LONG, |_| -> u8 { panic!("for the test") }).unwrap_err();
        let told = failure.to_string();
        assert!(told.contains("the survey ended without a result"), "{told}");
        assert_eq!(failure.status(), 1);
    }

    #[test]
    fn nothing_is_written_when_nobody_waits_any_more() {
        let (told, is_told) = mpsc::channel();
        let (written, result) = mpsc::channel();
        let work = move |waiting: &Waiting| {
            let mut output = Vec::new();
            waiting.write(&mut output, "in time").unwrap();
            is_told.recv().unwrap();
            waiting.write(&mut output, "too late").unwrap();
            written.send(output).unwrap();
        };
        // It cannot end before it is told to, so no time is too short or too long.
        assert_eq!(in_time("survey", Duration::ZERO, work).unwrap(), None);
        told.send(()).unwrap();
        let output = String::from_utf8(result.recv().unwrap()).unwrap();
        assert!(!output.contains("too late"), "{output}");
    }

    #[test]
    fn it_is_written_while_somebody_waits() {
        let work = |waiting: &Waiting| {
            let mut output = Vec::new();
            waiting.write(&mut output, "a").unwrap();
            output
        };
        let written = in_time("survey", LONG, work).unwrap();
        assert_eq!(written.unwrap(), b"a\n");
    }
}
