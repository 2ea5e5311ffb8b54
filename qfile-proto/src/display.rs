//! Untrusted bytes → text for a person. Everything that prints such bytes passes through here.
//!
//! The result is one line of at most 1,000 characters, without control characters, escape
//! sequences or quotation marks. It is no markup: a dialog must still be told so.

use crate::charset::is_safe;

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

/// The name of a file of the person who reads it: safe code points are kept, any other character
/// or byte, and `"`, becomes `_`.
#[must_use]
pub fn own(name: &[u8]) -> String {
    let shown = name.utf8_chunks().flat_map(|chunk| {
        let valid = chunk
            .valid()
            .chars()
            .map(|c| if is_safe(c) && c != '"' { c } else { '_' });
        valid.chain(chunk.invalid().iter().map(|_| '_'))
    });
    cut(shown)
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
    fn a_long_text_is_cut_at_1000_characters() {
        assert_eq!(foreign(&[b'a'; 1000]), "a".repeat(1000));
        assert_eq!(foreign(&[b'a'; 1001]), format!("{}...", "a".repeat(997)));
        assert_eq!(
            own("é".repeat(1001).as_bytes()),
            format!("{}...", "é".repeat(997))
        );
    }
}
