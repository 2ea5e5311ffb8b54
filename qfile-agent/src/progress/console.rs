//! `PROGRESS_TYPE=console`: one live line on a terminal; anywhere else one plain line at the end.
//!
//! A terminal is one that can move its cursor: with `TERM=dumb`, or none, it gets the plain line.
//! There are no colours, whether `NO_COLOR` is set or not. Some terminals
//! that become narrower break the old line in two, and what they have broken off stays: to go up and
//! clear it would, on a terminal that breaks nothing, clear what others wrote there.

use std::fmt;
use std::io::stderr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use program::say::say;
use quantity::{about, bytes, entries};
use rustix::fs::FileType;
use rustix::termios::tcgetwinsize;

use super::line::{Line, shortened};
use crate::beginning::beginning;

/// How often the line is drawn. A thread of its own draws it, so that it follows the size of the
/// terminal, and shows no rate of the past, while the sender waits for the receiver.
const TICK: Duration = Duration::from_millis(200);

/// Columns of a terminal that does not say.
const USUAL_COLUMNS: usize = 80;

/// A line on stderr.
#[derive(Debug)]
pub(crate) struct Console {
    /// `None` where stderr is no terminal.
    live: Option<Live>,
    files: u64,
    folders: u64,
    links: u64,
}

/// The line that is drawn again and again.
#[derive(Debug)]
struct Live {
    bar: ProgressBar,
    text: Arc<Mutex<Text>>,
}

/// What the line is about, beside the counts that the progress bar keeps.
#[derive(Debug)]
enum Text {
    /// The file at this path.
    File(Vec<u8>),
    /// All is sent; what is waited for.
    Waiting(String),
}

impl Console {
    pub(crate) fn new(total: Option<u64>) -> Self {
        let target = ProgressDrawTarget::stderr();
        let live = (!target.is_hidden()).then(|| Live::new(total, target));
        Self {
            live,
            files: 0,
            folders: 0,
            links: 0,
        }
    }

    /// An entry of this type is being sent.
    pub(crate) fn count(&mut self, kind: FileType) {
        match kind {
            FileType::Directory => self.folders += 1,
            FileType::Symlink => self.links += 1,
            _ => self.files += 1,
        }
    }

    /// The file at `path` comes next.
    pub(crate) fn entry(&mut self, path: &[u8]) {
        if let Some(live) = &self.live {
            match &mut *live.text() {
                Text::File(shown) => {
                    shown.clear();
                    shown.extend_from_slice(path);
                }
                Text::Waiting(_) => {}
            }
            if self.files == 0 {
                live.bar.enable_steady_tick(TICK);
            }
        }
    }

    pub(crate) fn show(&self, sent: u64) {
        if let Some(live) = &self.live {
            live.bar.set_position(sent);
        }
    }

    /// Takes the line away while `say` writes something above it.
    pub(crate) fn above(&self, say: impl FnOnce()) {
        match &self.live {
            Some(live) => live.bar.suspend(say),
            None => say(),
        }
    }

    pub(crate) fn wait_for_verdict(&self, sent: u64) {
        if let Some(live) = &self.live {
            *live.text() = Text::Waiting(format!(
                "{} sent; the target qube is writing to disk",
                about(sent)
            ));
            live.bar.tick();
        }
    }

    pub(crate) fn finish(&self, sent: u64, confirmed: bool) {
        if let Some(live) = &self.live {
            live.bar.finish_and_clear();
        }
        if confirmed {
            say(format_args!(
                "{}: {} copied, {}",
                beginning(),
                entries(self.files, self.folders, self.links),
                bytes(sent)
            ));
        }
    }
}

impl Live {
    fn new(total: Option<u64>, target: ProgressDrawTarget) -> Self {
        let text = Arc::new(Mutex::new(Text::File(Vec::new())));
        let shown = Arc::clone(&text);
        let draw = move |state: &ProgressState, line: &mut dyn fmt::Write| {
            let line_now = drawn(&locked(&shown), state, total);
            let _a_line_not_drawn = line.write_str(&line_now);
        };
        let style = ProgressStyle::default_spinner().with_key("line", draw);
        let style = style.template("{line}");
        let bar = ProgressBar::with_draw_target(total, target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, text }
    }

    fn text(&self) -> MutexGuard<'_, Text> {
        locked(&self.text)
    }
}

fn locked(text: &Mutex<Text>) -> MutexGuard<'_, Text> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

fn drawn(text: &Text, state: &ProgressState, total: Option<u64>) -> String {
    // In the last column some terminals go on to the next line.
    let columns = columns().saturating_sub(1);
    match text {
        Text::Waiting(text) => shortened(text, columns),
        Text::File(path) => Line {
            path,
            sent: state.pos(),
            total,
            rate: state.per_sec(),
            left: state.eta(),
        }
        .fitted(columns),
    }
}

fn columns() -> usize {
    match tcgetwinsize(stderr()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => USUAL_COLUMNS,
    }
}
