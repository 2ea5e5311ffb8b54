//! Untrusted bytes → text for a person. Everything that prints such bytes passes through here.
//!
//! The result is one line of at most 1,000 characters, of [`name()`] 4,096, without control characters
//! or escape sequences; but for [`line()`] and [`name()`], without quotation marks too. It is no markup: a dialog
//! must still be told so.

use std::path::Path;

use crate::locale::Locale;

mod charset;
mod charset_table;
mod content;
mod legible;
mod locale;
mod name;

pub use charset::{Charset, is_safe};
pub use content::content_line;
pub use name::{for_window, name, name_within, shortened};

/// Longest text in characters; what is longer ends in `...`.
pub const MAX_CHARS: usize = 1000;

/// Text from another qube: every byte outside U+0020..=U+007E, and `"`, becomes `_`.
#[must_use]
pub fn foreign(untrusted: &[u8]) -> String {
    let shown = untrusted.iter().map(|byte| match byte {
        b'"' => '_',
        b' '..=b'~' => char::from(*byte),
        _ => '_',
    });
    cut(shown)
}

/// Words of the person who reads them, which are no name of a file: safe code points are kept, any
/// other character or byte, and `"`, becomes `_`. For names of files there is [`name()`].
#[must_use]
pub fn own(name: &[u8]) -> String {
    let shown = name.utf8_chunks().flat_map(|chunk| {
        let valid = chunk
            .valid()
            .chars()
            .map(|c| if is_shown(c) && c != '"' { c } else { '_' });
        valid.chain(chunk.invalid().iter().map(|_| '_'))
    });
    cut(shown)
}

/// The path of a file of the person who reads it, as [`name()`]: with its quotes.
#[must_use]
pub fn file(path: &Path) -> String {
    name(path.as_os_str().as_encoded_bytes())
}

/// A line that a program of this qube wrote, for a person in another: as [`own`], but quotation marks
/// are kept, since nothing is put into quotes here, and a tab becomes a space.
#[must_use]
pub fn line(written: &[u8]) -> String {
    let shown = written.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(|c| match c {
            '\t' => ' ',
            c if is_shown(c) => c,
            _ => '_',
        });
        valid.chain(chunk.invalid().iter().map(|_| '_'))
    });
    cut(shown)
}

/// True for a safe code point that a terminal with the encoding of the locale shows.
fn is_shown(c: char) -> bool {
    is_safe(c) && (c.is_ascii() || Locale::current().is_utf8)
}

fn cut(mut shown: impl Iterator<Item = char>) -> String {
    let mut text: String = shown.by_ref().take(MAX_CHARS).collect();
    if shown.next().is_some() {
        let keep = text
            .char_indices()
            .nth(MAX_CHARS - 3)
            .map_or(text.len(), |(at, _)| at);
        text.truncate(keep);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        assert_eq!(foreign(b"\x1b[31mred\x07\r\n\x7f\"q\""), "_[31mred_____q_");
        assert_eq!(foreign("é\u{202e}".as_bytes()), "_____");
        assert_eq!(own(b"\x1b[31mred\x07\r\n\x7f\"q\"\xFF"), "_[31mred_____q__");
        assert_eq!(own("é\u{202e}x\u{9b}".as_bytes()), "é_x_");
        for byte in 0..=255_u8 {
            for shown in [foreign(&[byte]), own(&[byte])] {
                assert!(
                    shown.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"'),
                    "{byte:#x}: {shown:?}"
                );
                assert_eq!(shown.len(), 1);
            }
        }
    }

    #[test]
    fn a_line_stays_readable_and_harmless() {
        let result = br#"{"status": "ok"}"#;
        assert_eq!(line(result).as_bytes(), result);
        assert_eq!(
            line("\tdéjà\u{202e} \x1b[2J\r\u{9b}\u{7f}".as_bytes()),
            " déjà_ _[2J___"
        );
        assert_eq!(line(b"\xFF\n\0"), "___");
    }

    #[test]
    fn a_long_text_is_cut_at_1000_characters() {
        assert_eq!(foreign(&[b'a'; 1000]), "a".repeat(1000));
        assert_eq!(foreign(&[b'a'; 1001]), format!("{}...", "a".repeat(997)));
        assert_eq!(
            own("é".repeat(1001).as_bytes()),
            format!("{}...", "é".repeat(997))
        );
    }
}
