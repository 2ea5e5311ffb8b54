//! The one place that writes to people on stderr.

use std::env;
use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _, stderr};

/// Writes `text` and a newline to stderr in one write, so that it is not torn apart by what others
/// write there.
///
/// That nobody reads stderr any more is no reason to fail (or to panic, as `eprintln!` does), so
/// errors are ignored. Names in `text` have passed `text`.
pub fn say(text: impl Display) {
    let line = format!("{text}\n");
    let _nobody_reads = stderr().lock().write_all(line.as_bytes());
}

/// Takes away what another program, which has ended, left on the last line of the terminal. Where
/// stderr is no terminal, or one that cannot move its cursor, nothing was left.
pub fn clear_line() {
    let can_move = env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    if can_move && stderr().is_terminal() {
        let _nobody_reads = stderr().lock().write_all(b"\r\x1b[2K");
    }
}
