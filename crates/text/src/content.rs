//! A line of the content of a file → text that stands for this line only.

use crate::legible::{changes_its_place, keeps_its_order, must_be_escaped};
use crate::locale::Locale;
use crate::name::{escape_sequence, escaped_byte};

/// Most characters that are shown of a line.
const MAX_SHOWN: usize = 2000;

/// A line of a file, as it is in every script that can be read. What [`name`](crate::name()) would show
/// as an escape sequence is one here, and so are a backslash, a tab, and a blank at the end. So two
/// lines never look alike, unless one of them has more than 2000 characters: then the text says how many
/// are not shown.
#[must_use]
pub fn content_line(line: &[u8]) -> String {
    in_locale(line, Locale::current())
}

fn in_locale(line: &[u8], locale: Locale) -> String {
    let mut shown = Shown::default();
    for chunk in line.utf8_chunks() {
        let chars: Vec<char> = chunk.valid().chars().collect();
        let unsafe_ones = must_be_escaped(&chars);
        let is_moved =
            !locale.is_utf8 || !chunk.invalid().is_empty() || !is_ordered(&chars, &unsafe_ones);
        for (c, is_unsafe) in chars.into_iter().zip(unsafe_ones) {
            if !c.is_ascii() && !locale.is_utf8 {
                let mut bytes = [0; 4];
                let bytes = c.encode_utf8(&mut bytes).bytes();
                bytes.for_each(|byte| shown.push(|| escaped_byte(byte)));
                continue;
            }
            let is_escaped = is_unsafe || matches!(c, '\\') || (is_moved && changes_its_place(c));
            shown.push(|| match is_escaped {
                true => escape_sequence(c),
                false => c.to_string(),
            });
        }
        for byte in chunk.invalid() {
            shown.push(|| escaped_byte(*byte));
        }
    }
    shown.text(line)
}

/// What is shown of a line. Of a long one, the rest is only counted.
#[derive(Default)]
struct Shown {
    text: String,
    count: usize,
}

impl Shown {
    fn push(&mut self, character: impl FnOnce() -> String) {
        if self.count < MAX_SHOWN {
            self.text.push_str(&character());
        }
        self.count += 1;
    }

    fn text(mut self, line: &[u8]) -> String {
        let more = self.count.saturating_sub(MAX_SHOWN);
        if more > 0 {
            return format!("{} \\ {more} more characters are not shown", self.text);
        }
        if line.ends_with(b" ") {
            self.text.pop();
            self.text.push_str("\\x20");
        }
        self.text
    }
}

/// True if no other line looks the same because characters change their places.
fn is_ordered(chars: &[char], unsafe_ones: &[bool]) -> bool {
    // A backslash is shown as two, which are no letter between words.
    let has_sign = chars.iter().any(|c| matches!(c, '\\'));
    let one = |(c, is_unsafe): (&char, &bool)| if *is_unsafe { 'u' } else { *c };
    let shown: Vec<char> = chars.iter().zip(unsafe_ones).map(one).collect();
    keeps_its_order(&shown) && !(has_sign && shown.iter().copied().any(changes_its_place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_stays_and_the_rest_is_an_escape_sequence() {
        for plain in [
            "let x = \"1\" + '2' + $y;",
            "Grüße – Ämter",
            "العربية",
            "تقرير 2024",
            "हिन्दी",
            "报告",
            "",
            "  indented",
        ] {
            assert_eq!(content_line(plain.as_bytes()), plain);
        }
        let table: [(&[u8], &str); 9] = [
            (b"a\tb", r"a\tb"),
            (b"a\\nb", r"a\\nb"),
            (b"a\r", r"a\r"),
            (b"a ", r"a\x20"),
            (b"a\x1b[2J", r"a\x1b[2J"),
            (b"a\xFF", r"a\xff"),
            ("e\u{301}".as_bytes(), r"e\u0301"),
            ("a\u{202e}b".as_bytes(), r"a\u202eb"),
            ("p\u{430}ypal".as_bytes(), r"p\u0430ypal"),
        ];
        for (line, text) in table {
            assert_eq!(content_line(line), text);
        }
    }

    #[test]
    fn lines_that_differ_never_have_the_same_text() {
        let pairs: [(&[u8], &[u8]); 5] = [
            (b"a\\x1b", b"a\x1b"),
            (b"a  ", b"a \\x20"),
            (b"a ", b"a"),
            ("\u{6cc}".as_bytes(), "\u{64a}".as_bytes()),
            ("a\u{a0}b".as_bytes(), b"a b"),
        ];
        for (one, other) in pairs {
            assert_ne!(content_line(one), content_line(other));
        }
    }

    #[test]
    fn a_long_line_says_that_it_is_cut() {
        assert_eq!(content_line(&[b'a'; MAX_SHOWN]), "a".repeat(MAX_SHOWN));
        let text = content_line(&[b'a'; MAX_SHOWN + 5]);
        assert!(
            text.ends_with(r"a \ 5 more characters are not shown"),
            "{text}"
        );
    }

    /// A whole file in one line, 4 MiB, and others. Where each character is compared with all others,
    /// this does not end.
    #[test]
    fn a_line_that_another_qube_made_as_long_as_it_could_is_shown() {
        let (file, part) = (4 << 20, 256 << 10);
        for (len, begin, one, shown) in [
            (file, "", "α", "α"),
            (part, "a", "α", r"\u03b1"),
            // Marks on one letter, a twin that a letter at the end makes the wrong one, digits.
            (part, "ب", "\u{64e}", r"\u064e"),
            (part, "", "ي", "ي"),
            (part, "", "٣", "٣"),
            (part, "", "\u{301}", r"\u0301"),
            (part, "", "\u{928}\u{93c}", r"न\u093c"),
        ] {
            let line = format!("{begin}{}", one.repeat(len / one.len()));
            let text = content_line(line.as_bytes());
            assert!(text.contains(&shown.repeat(500)), "{one:?}");
            assert!(text.ends_with(" more characters are not shown"), "{one:?}");
        }
        let persian = format!("{}گ", "ي".repeat(MAX_SHOWN));
        assert!(content_line(persian.as_bytes()).starts_with(r"\u064a\u064a"));
    }

    #[test]
    fn a_terminal_that_is_not_utf_8_gets_ascii() {
        let locale = Locale {
            is_utf8: false,
            has_persian_letters: false,
        };
        assert_eq!(
            in_locale("é\u{202e}".as_bytes(), locale),
            r"\xc3\xa9\xe2\x80\xae"
        );
    }
}
