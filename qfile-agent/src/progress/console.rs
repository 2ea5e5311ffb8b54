//! `PROGRESS_TYPE=console`: one live line on a terminal; anywhere else one plain line at the end.

use std::io::{IsTerminal as _, stderr};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use qfile_proto::display::own;
use qvm_common::say::say;

/// Redraws per second at most.
const HZ: u8 = 5;

/// A line on stderr.
#[derive(Debug)]
pub(crate) struct Console {
    /// `None` where stderr is no terminal.
    line: Option<ProgressBar>,
    files: u64,
    /// The file at hand, if the line does not name it yet.
    path: Vec<u8>,
}

impl Console {
    pub(crate) fn new(total: Option<u64>) -> Self {
        let line = stderr().is_terminal().then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(HZ);
            let line = ProgressBar::with_draw_target(total, target);
            line.with_style(style(match total {
                Some(_) => "{wide_msg} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
                None => "{wide_msg} {bytes}, {bytes_per_sec}",
            }))
        });
        Self {
            line,
            files: 0,
            path: Vec::new(),
        }
    }

    /// The file at `path` comes next; it is shown with the next count.
    pub(crate) fn entry(&mut self, path: &[u8]) {
        self.files += 1;
        if self.line.is_some() {
            self.path.clear();
            self.path.extend_from_slice(path);
        }
    }

    pub(crate) fn show(&mut self, sent: u64) {
        if let Some(line) = &self.line {
            if !self.path.is_empty() {
                line.set_message(own(&self.path));
                self.path.clear();
            }
            line.set_position(sent);
        }
    }

    /// Takes the line away while `say` writes.
    pub(crate) fn above(&self, say: impl FnOnce()) {
        match &self.line {
            Some(line) => line.suspend(say),
            None => say(),
        }
    }

    pub(crate) fn wait_for_verdict(&mut self, sent: u64) {
        if let Some(line) = &self.line {
            line.set_style(style("{wide_msg}"));
            line.set_message(format!(
                "{} sent; the target qube is writing to disk",
                HumanBytes(sent)
            ));
            line.tick();
        }
    }

    pub(crate) fn finish(&mut self, sent: u64, confirmed: bool) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
        if confirmed {
            let plural = if self.files == 1 { "" } else { "s" };
            say(format_args!(
                "qfile-agent: {} file{plural} copied, {}",
                self.files,
                HumanBytes(sent)
            ));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
