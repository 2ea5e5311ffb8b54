//! How the lines on stderr about a copy begin: with the name of this program and, if the caller sends to
//! several qubes, that of the qube.

use std::ffi::OsStr;
use std::sync::OnceLock;

const PROGRAM: &str = "qfile-agent";

static BEGINNING: OnceLock<String> = OnceLock::new();

/// From now on, the lines name this qube.
pub(crate) fn name(qube: &OsStr) {
    let beginning = || format!("{PROGRAM}: {}", text::own(qube.as_encoded_bytes()));
    BEGINNING.get_or_init(beginning);
}

/// What stands before the first colon and blank of a message.
pub(crate) fn beginning() -> &'static str {
    BEGINNING.get().map_or(PROGRAM, String::as_str)
}
