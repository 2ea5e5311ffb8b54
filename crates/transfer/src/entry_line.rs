//! What scripts read of a copy (`--json`): a line of JSON for each entry, and one at the end.
//!
//! Lines are ASCII: whatever a name contains, a terminal shows it and obeys nothing. A path that is
//! not UTF-8 cannot be a string of JSON, so it has another key, and is in base64.

use std::fmt::Write as _;

use data_encoding::BASE64;
use serde_json::{Map, Value};

/// One line, without the newline.
#[derive(Debug, Default)]
pub struct EntryLine(Map<String, Value>);

impl EntryLine {
    /// A line about the entry at `path`.
    #[must_use]
    pub fn of(path: &[u8]) -> Self {
        Self::default().bytes("path", path)
    }

    /// Adds a value.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Adds bytes: as a string under `key` if they are UTF-8, else in base64 under `key_base64`.
    #[must_use]
    pub fn bytes(self, key: &str, bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.with(key, text),
            Err(_) => self.with(&format!("{key}_base64"), BASE64.encode(bytes)),
        }
    }

    /// The text.
    #[must_use]
    pub fn render(self) -> String {
        let json = Value::Object(self.0).to_string();
        let mut ascii = String::with_capacity(json.len());
        for c in json.chars() {
            match c {
                ' '..='~' => ascii.push(c),
                // Only strings contain such characters.
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _strings_take_everything = write!(ascii, "\\u{unit:04x}");
                    }
                }
            }
        }
        ascii
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_ascii_and_says_what_it_was_given() {
        for text in ["a", "é😀", "\u{202e}\u{7f}\u{9b}\n\t\"\\", "\0"] {
            let line = EntryLine::of(text.as_bytes()).with("bytes", 5).render();
            assert!(
                line.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                "{line}"
            );
            let read: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&read["path"], &read["bytes"]), (&text.into(), &5.into()));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_in_base64() {
        let line = EntryLine::of(b"a\xFF").render();
        assert_eq!(line, r#"{"path_base64":"Yf8="}"#);
    }
}
