//! Commands as the argument of qubes.VMExec, in the longest spelling.

use std::fmt::Write as _;

/// Every byte as an escape, whether it needs one or not.
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "-{byte:02X}").expect("memory can be written");
    }
    text
}

/// A program and its arguments, all of them as escapes.
#[must_use]
pub fn spelled<W: AsRef<[u8]>>(words: &[W]) -> String {
    let words: Vec<String> = words.iter().map(|word| escaped(word.as_ref())).collect();
    words.join("+")
}
