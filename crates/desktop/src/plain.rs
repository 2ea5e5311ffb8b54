//! What makes the command of a dialog harmless, whatever text it shows.

use std::path::Path;
use std::process::{Command, Stdio};

/// A dialog touches neither a protocol on stdout nor the terminal.
pub(crate) fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Arguments cannot hold a NUL, and no other control character but a newline is for a window.
pub(crate) fn visible(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { '_' } else { c };
    text.chars().map(shown).collect()
}

/// `text` as HTML, or Pango markup, that means nothing but itself.
pub(crate) fn escaped(text: &str) -> String {
    visible(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
