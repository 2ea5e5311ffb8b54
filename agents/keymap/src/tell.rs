//! Tells the user what failed, without holding up what is set next.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use desktop::notification;
use program::failure::Failure;
use program::say::say;

use crate::run::NAME;

/// Shows failures, one at a time, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Teller {
    tell: Sender<String>,
    thread: JoinHandle<()>,
}

impl Teller {
    pub(crate) fn new() -> Self {
        let (tell, told) = channel();
        let thread = thread::spawn(move || show_all(&told));
        Self { tell, thread }
    }

    /// Says it on stderr, and shows it on the desktop.
    pub(crate) fn tell(&self, failure: &Failure) {
        say(failure.lines(NAME));
        let mut text = failure.reason();
        if let Some(advice) = failure.advice() {
            text = format!("{text}\n{advice}");
        }
        // It ends only with this.
        let _received = self.tell.send(text);
    }

    /// Waits until all has been shown.
    pub(crate) fn end(self) {
        drop(self.tell);
        let _showing_does_not_panic = self.thread.join();
    }
}

/// What has come while another was shown is shown by its last one.
fn show_all(told: &Receiver<String>) {
    while let Ok(mut text) = told.recv() {
        while let Ok(later) = told.try_recv() {
            text = later;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Ok(runtime) = runtime {
            runtime.block_on(notification::error(notification::Shown {
                title: "The keyboard layout was not changed",
                text: &text,
                to_read: None,
            }));
        }
    }
}
