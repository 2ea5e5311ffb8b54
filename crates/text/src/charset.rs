//! Safe code points: the characters that both qubes accept in names.
//!
//! A code point is safe if it is U+0020..=U+007E, or a letter, number, punctuation, mathematical
//! or currency symbol of a left-to-right or neutral bidirectional class, in one of the scripts
//! that are shown without shaping. The table is that of Unicode 15.0 and stays so: both qubes must
//! agree, and what one side does not know is unsafe. `make unicode-table` generates it.

use crate::charset_table::SAFE_RANGES;

/// Which characters a name may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Valid UTF-8 made of safe code points only.
    #[default]
    Safe,
    /// Any bytes (`+allow-all-names`, `--allow-all-names`).
    All,
}

impl Charset {
    /// Whether every character of `untrusted` is allowed.
    #[must_use]
    pub fn allows(self, untrusted: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Safe => {
                std::str::from_utf8(untrusted).is_ok_and(|text| text.chars().all(is_safe))
            }
        }
    }
}

/// Whether `c` is a safe code point.
#[must_use]
pub fn is_safe(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    let code = u32::from(c);
    let after = SAFE_RANGES.partition_point(|(first, _)| *first <= code);
    SAFE_RANGES[..after]
        .last()
        .is_some_and(|(_, last)| code <= *last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_is_safe_from_space_to_tilde() {
        for byte in 0..=127_u8 {
            assert_eq!(
                is_safe(char::from(byte)),
                (0x20..=0x7E).contains(&byte),
                "{byte:#x}"
            );
        }
    }

    #[test]
    fn what_is_not_valid_utf8_is_not_safe() {
        let invalid: [&[u8]; 8] = [
            b"\x80",
            b"\xC0\xAF",
            b"\xE0\x80\xAF",
            b"\xED\xA0\x80",
            b"\xF4\x90\x80\x80",
            b"\xF5\x80\x80\x80",
            b"a\xFF",
            b"\xC3",
        ];
        for bytes in invalid {
            assert!(!Charset::Safe.allows(bytes), "{bytes:?}");
            assert!(Charset::All.allows(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn scripts_that_need_no_shaping_are_safe_and_others_are_not() {
        for name in [
            "Grüße.txt",
            "отчёт.pdf",
            "报告.odt",
            "보고서",
            "ひらがな",
            "Ωμέγα",
            "½ €",
        ] {
            assert!(Charset::Safe.allows(name.as_bytes()), "{name}");
        }
        for name in [
            "\u{202e}txt.exe",
            "a\u{301}",
            "😀",
            "עברית",
            "عربي",
            "हिन्दी",
            "\u{a0}",
            "\u{ad}",
            "\t",
        ] {
            assert!(!Charset::Safe.allows(name.as_bytes()), "{name:?}");
        }
    }
}
