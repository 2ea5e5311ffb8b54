//! Bytes from hardware and disks → values of QubesDB that dom0 understands.
//!
//! Whatever the bytes are, the result is printable ASCII of a limited length. It is never an argument
//! of a program, so a value may begin with `-`.

use qubesdb::MAX_VALUE_LEN;

/// Longest field of a USB device: four of them are one value.
const MAX_FIELD: usize = 700;

/// Text: every character that is not printable ASCII becomes `_`, as dom0 would do.
pub(crate) fn ascii(untrusted: &[u8]) -> String {
    let shown = untrusted.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(|c| match c {
            ' '..='~' => c,
            _ => '_',
        });
        valid.chain(chunk.invalid().iter().map(|_| '_'))
    });
    shown.take(MAX_VALUE_LEN).collect()
}

/// One word of a description: blanks and brackets would be taken for parts of it.
pub(crate) fn word(untrusted: &[u8]) -> String {
    let shown = ascii(untrusted);
    let shown = shown.trim().chars().map(|c| match c {
        ' ' | '(' | ')' => '_',
        c => c,
    });
    shown.take(MAX_FIELD).collect()
}

/// What stands in the brackets of a description.
pub(crate) fn label(untrusted: &[u8]) -> String {
    let shown = ascii(untrusted);
    let shown = shown.trim().chars().map(|c| match c {
        '(' | ')' => '_',
        c => c,
    });
    shown.take(MAX_FIELD).collect()
}

/// A field of a USB device: without blanks, which become `\x20`, as udev writes them. Escape
/// sequences of udev stay.
pub(crate) fn field(untrusted: &[u8]) -> String {
    let mut shown = String::new();
    for byte in untrusted {
        let one = match byte {
            b'!'..=b'~' => char::from(*byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        };
        if shown.len() + one.len() > MAX_FIELD {
            break;
        }
        shown.push_str(&one);
    }
    shown
}

/// Four hexadecimal digits, in small letters.
pub(crate) fn hex4(untrusted: &[u8]) -> Option<String> {
    let is_hex = untrusted.len() == 4 && untrusted.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(untrusted).ok()?;
    is_hex.then(|| text.to_ascii_lowercase())
}

/// The interfaces of a USB device: `:CCSSPP:CCSSPP:`.
pub(crate) fn interfaces(untrusted: &[u8]) -> Option<String> {
    if untrusted.is_empty() {
        return Some(String::new());
    }
    let inner = untrusted.strip_prefix(b":")?.strip_suffix(b":")?;
    let is_one = |group: &[u8]| group.len() == 6 && group.iter().all(u8::is_ascii_hexdigit);
    let is_good = inner.split(|byte| *byte == b':').all(is_one) && untrusted.len() <= MAX_VALUE_LEN;
    let text = std::str::from_utf8(untrusted).ok()?;
    is_good.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_text_becomes_printable_ascii() {
        assert_eq!(ascii("-n Grün\t\u{202e}x".as_bytes()), "-n Gr_n__x");
        assert_eq!(ascii(b"a\xff\0\x1b[m"), "a___[m");
        assert_eq!(ascii(&[b'x'; 5000]).len(), 3071);
        assert_eq!(word(b"  Flash (A) B "), "Flash__A__B");
        assert_eq!(label(b"my (old) disk"), "my _old_ disk");
    }

    #[test]
    fn a_field_has_no_blank_and_is_not_cut_in_an_escape() {
        assert_eq!(field(b"Kingston\\x20Inc"), "Kingston\\x20Inc");
        assert_eq!(field(b"a b\n\xff"), "a\\x20b\\x0a\\xff");
        assert_eq!(field(b""), "");
        let long = field(&[b' '; 1000]);
        assert!(long.len() <= 700 && long.len() % 4 == 0, "{}", long.len());
    }

    #[test]
    fn numbers_and_interfaces_are_hexadecimal() {
        assert_eq!(hex4(b"0A5c").as_deref(), Some("0a5c"));
        for bad in ["", "0a5", "0a5cd", "0a5g", "-a5c", "0x0a"] {
            assert_eq!(hex4(bad.as_bytes()), None, "{bad}");
        }
        for good in ["", ":030101:", ":030101:0806FF:"] {
            assert_eq!(interfaces(good.as_bytes()), Some(good.to_ascii_lowercase()));
        }
        for bad in [
            ":",
            "::",
            "030101",
            ":030101",
            ":0301011:",
            ":03010g:",
            ":030101: :",
            "\n",
        ] {
            assert_eq!(interfaces(bad.as_bytes()), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_give_anything_but_printable_ascii(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            for text in [ascii(&bytes), word(&bytes), label(&bytes), field(&bytes)] {
                prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", text);
            }
            prop_assert!(!word(&bytes).contains([' ', '(', ')']));
            prop_assert!(!field(&bytes).contains(' '));
            let _judged = (hex4(&bytes), interfaces(&bytes));
        }
    }
}
