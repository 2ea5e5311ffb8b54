//! How far a transfer is: a live line on a terminal, nothing anywhere else.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use program::say::say;

/// How often the line is drawn.
const TICK: Duration = Duration::from_millis(200);

/// In the order of the line of `qfile-agent`.
const TEMPLATE: &str =
    "{percent:>3}%, {bytes} of {total_bytes}, {time_left} left, {binary_bytes_per_sec}";

/// The line. Copies of it are the same line.
#[derive(Clone, Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A line about `total` bytes, if it `is_wanted` and stderr is a terminal.
    pub(super) fn new(total: u64, is_wanted: bool) -> Self {
        let target = ProgressDrawTarget::stderr();
        if !is_wanted || target.is_hidden() {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template(TEMPLATE)
            .map(|style| style.with_key("time_left", write_time_left));
        let bar = ProgressBar::with_draw_target(Some(total), target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// So many bytes have passed.
    pub(super) fn show(&self, bytes: u64) {
        self.0.set_position(bytes);
    }

    /// All bytes have passed; `what` is waited for.
    pub(super) fn wait_for(&self, what: &str) {
        if let Ok(style) = ProgressStyle::with_template("{bytes}; {msg}") {
            self.0.set_style(style);
        }
        self.0.set_message(what.to_owned());
    }

    /// Says something above the line.
    pub(super) fn above(&self, text: &str) {
        self.0.suspend(|| say(text));
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// Minutes and seconds, and hours if there are any.
fn write_time_left(state: &ProgressState, line: &mut dyn Write) {
    let seconds = state.eta().as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let _lines_take_everything = match hours {
        0 => write!(line, "{minutes}:{seconds:02}"),
        _ => write!(line, "{hours}:{minutes:02}:{seconds:02}"),
    };
}
