//! How far a copy has come, shown the way that the environment asks for.
//!
//! What counts is the content of files and the targets of links, as the survey before the copy
//! counts them, so that a complete copy ends exactly on `FILECOPY_TOTAL_BYTES`.

mod console;
mod line;

use std::env;
use std::fmt;
use std::io;
use std::rc::Rc;

use program::inherited;
use program::say::say;
use rustix::fs::FileType;
use transfer::Window;

use crate::beginning::beginning;
use console::Console;

/// How far a copy has come.
#[derive(Debug)]
pub(crate) struct Progress {
    display: Display,
    /// Bytes that were sent.
    sent: u64,
}

#[derive(Debug)]
enum Display {
    None,
    Console(Console),
    /// `None` when there is nowhere to count to, but dialogs are still wanted.
    Gui(Option<Rc<Window>>),
}

impl Progress {
    /// What `PROGRESS_TYPE`, `FILECOPY_TOTAL_BYTES` and `SAVED_FD_1` ask for.
    pub(crate) fn from_environment() -> Self {
        let number = |name| env::var(name).ok().and_then(|value| value.parse().ok());
        let total = number("FILECOPY_TOTAL_BYTES");
        let display = match env::var("PROGRESS_TYPE").as_deref() {
            Ok("console") => Display::Console(Console::new(total)),
            Ok("gui") => Display::Gui(window(total).map(Rc::new)),
            _ => Display::None,
        };
        Self { display, sent: 0 }
    }

    /// True if failures are to be shown in a dialog.
    pub(crate) fn is_gui(&self) -> bool {
        matches!(self.display, Display::Gui(_))
    }

    /// The window that is told how far the copy is, for whoever waits meanwhile.
    pub(crate) fn window(&self) -> Option<Rc<Window>> {
        match &self.display {
            Display::Gui(Some(window)) => Some(Rc::clone(window)),
            _ => None,
        }
    }

    /// Shows that nothing was sent yet.
    pub(crate) fn begin(&self) -> io::Result<()> {
        match &self.display {
            Display::Gui(Some(window)) => window.begin(),
            _ => Ok(()),
        }
    }

    /// The file at `path` comes next.
    pub(crate) fn entry(&mut self, path: &[u8]) {
        if let Display::Console(console) = &mut self.display {
            console.entry(path);
        }
    }

    /// An entry of this type is being sent: a file, a folder or a link.
    pub(crate) fn count(&mut self, kind: FileType) {
        if let Display::Console(console) = &mut self.display {
            console.count(kind);
        }
    }

    /// So many bytes more were sent.
    pub(crate) fn advance(&mut self, bytes: u64) -> io::Result<()> {
        self.sent += bytes;
        match &self.display {
            Display::Console(console) => console.show(self.sent),
            Display::Gui(Some(window)) => window.show(self.sent)?,
            Display::Gui(None) | Display::None => {}
        }
        Ok(())
    }

    /// Says something on stderr, above what is drawn there.
    pub(crate) fn note(&self, text: fmt::Arguments<'_>) {
        let speak = || say(format_args!("{}: {text}", beginning()));
        match &self.display {
            Display::Console(console) => console.above(speak),
            Display::Gui(_) | Display::None => speak(),
        }
    }

    /// All is sent; now the target qube writes it to its disk.
    pub(crate) fn wait_for_verdict(&self) {
        if let Display::Console(console) = &self.display {
            console.wait_for_verdict(self.sent);
        }
    }

    /// The copy has ended, and was `confirmed` or not.
    pub(crate) fn finish(&self, confirmed: bool) {
        match &self.display {
            Display::Console(console) => console.finish(self.sent, confirmed),
            Display::Gui(Some(window)) if confirmed => window.finish(self.sent),
            Display::Gui(_) | Display::None => {}
        }
    }
}

/// The descriptor whose number is `SAVED_FD_1`. A copy without progress is better than none.
fn window(total: Option<u64>) -> Option<Window> {
    let number = env::var("SAVED_FD_1").ok()?.parse().ok()?;
    match inherited::take(number) {
        Ok(window) => Some(Window::new(window, total)),
        Err(error) => {
            say(format_args!(
                "{}: no progress will be shown: cannot use descriptor {number} \
                 (SAVED_FD_1): {error}",
                beginning()
            ));
            None
        }
    }
}
