//! The one place that writes to people on stderr.

use std::fmt::Display;
use std::io::Write;

/// Writes `text` and a newline to stderr in one write, so that it is not torn apart by what others
/// write there.
///
/// That nobody reads stderr any more is no reason to fail (or to panic, as `eprintln!` does), so
/// errors are ignored. Names in `text` have passed `qfile_proto::display`.
pub fn say(text: impl Display) {
    let line = format!("{text}\n");
    let _nobody_reads = std::io::stderr().lock().write_all(line.as_bytes());
}
