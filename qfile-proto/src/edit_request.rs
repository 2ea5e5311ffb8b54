//! The request of qubes.OpenInVM: 256 bytes of name, then the file.

use crate::charset::is_safe;

/// Bytes of the name on the wire.
pub const REQUEST_LEN: usize = 256;

/// Longest name in bytes; at least one NUL follows it.
pub const MAX_NAME_LEN: usize = REQUEST_LEN - 1;

/// What the name begins with when the file is to be looked at only.
pub const VIEW_ONLY_PREFIX: &[u8] = b"view-only-";

/// The name as it goes over the wire: `file_name` is the last component of the path. Of a name
/// that is too long the last bytes are kept, so that the extension survives, from a character
/// boundary on. A name that begins like a view-only request gets a `_` in front. Bytes that are
/// not the name are zero (QSB-009: a client once sent its environment there).
#[must_use]
pub fn to_bytes(file_name: &[u8], view_only: bool) -> [u8; REQUEST_LEN] {
    let prefix = if view_only { VIEW_ONLY_PREFIX } else { b"" };
    let name = last_bytes(file_name, MAX_NAME_LEN - prefix.len());
    // Judged as cut: the end of a long name can look like the prefix.
    let guard: &[u8] = if name.starts_with(VIEW_ONLY_PREFIX) {
        b"_"
    } else {
        b""
    };
    let prefix = [prefix, guard].concat();
    let name = last_bytes(name, MAX_NAME_LEN - prefix.len());
    let mut bytes = [0; REQUEST_LEN];
    bytes[..prefix.len()].copy_from_slice(&prefix);
    bytes[prefix.len()..prefix.len() + name.len()].copy_from_slice(name);
    bytes
}

/// The last bytes of `name`, at most `max`, without the rest of a character that was cut.
fn last_bytes(name: &[u8], max: usize) -> &[u8] {
    if name.len() <= max {
        return name;
    }
    let cut = &name[name.len() - max..];
    let is_continuation = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let rest = cut
        .iter()
        .take(3)
        .take_while(|byte| is_continuation(byte))
        .count();
    &cut[rest..]
}

/// A request as the server understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditRequest {
    /// A name under which the file can be created: one component, only letters, digits and
    /// `. _ - + @`, not beginning with `-` or `.`.
    pub file_name: String,
    /// The file is to be looked at only; what becomes of it is not sent back.
    pub view_only: bool,
}

/// There is no name in the request, or one that names no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFileName;

impl EditRequest {
    /// Understands what a client sent.
    ///
    /// # Errors
    /// [`NoFileName`] for a name that is empty, `.` or `..`, or that holds a `/`.
    pub fn parse(untrusted: &[u8; REQUEST_LEN]) -> Result<Self, NoFileName> {
        let end = untrusted
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(REQUEST_LEN);
        let name = last_bytes(&untrusted[..end], MAX_NAME_LEN);
        let (name, view_only) = match name.strip_prefix(VIEW_ONLY_PREFIX) {
            Some(rest) => (rest, true),
            None => (name, false),
        };
        if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
            return Err(NoFileName);
        }
        let mut file_name: String = name
            .utf8_chunks()
            .flat_map(|chunk| {
                chunk
                    .valid()
                    .chars()
                    .chain(chunk.invalid().iter().map(|_| '_'))
            })
            .map(|c| if is_kept(c) { c } else { '_' })
            .collect();
        if file_name.starts_with(['-', '.']) {
            file_name.replace_range(..1, "_");
        }
        Ok(Self {
            file_name,
            view_only,
        })
    }
}

fn is_kept(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "._-+@".contains(c)
        || (!c.is_ascii() && is_safe(c) && c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(name: &[u8]) -> [u8; REQUEST_LEN] {
        let mut bytes = [0; REQUEST_LEN];
        bytes[..name.len()].copy_from_slice(name);
        bytes
    }

    fn parsed(name: &[u8]) -> (String, bool) {
        let request = EditRequest::parse(&wire(name)).unwrap();
        (request.file_name, request.view_only)
    }

    #[test]
    fn request_wireformat() {
        let table: [(&[u8], bool, &[u8]); 5] = [
            (b"letter.odt", false, b"letter.odt"),
            (b"letter.odt", true, b"view-only-letter.odt"),
            (b"view-only-x", false, b"_view-only-x"),
            (b"view-only-x", true, b"view-only-_view-only-x"),
            (b"-rf", false, b"-rf"),
        ];
        for (name, view_only, expected) in table {
            assert_eq!(to_bytes(name, view_only), wire(expected));
            assert_eq!(
                EditRequest::parse(&wire(expected)).unwrap().view_only,
                view_only
            );
        }
    }

    #[test]
    fn of_a_long_name_the_end_is_kept() {
        let name: Vec<u8> = (0..300)
            .map(|i| b'a' + u8::try_from(i % 26).unwrap())
            .collect();
        assert_eq!(to_bytes(&name, false), wire(&name[45..]));
        assert_eq!(to_bytes(&name[..255], false), wire(&name[..255]));
        assert_eq!(
            to_bytes(&name, true),
            wire(&[b"view-only-", &name[55..]].concat())
        );
        assert_eq!(
            to_bytes(&name[..245], true),
            wire(&[b"view-only-", &name[..245]].concat())
        );
    }

    #[test]
    fn a_character_is_never_cut() {
        for width in ["é", "报", "😀"] {
            let name = width.repeat(200);
            let bytes = to_bytes(name.as_bytes(), false);
            let end = bytes.iter().position(|byte| *byte == 0).unwrap();
            let kept = std::str::from_utf8(&bytes[..end]).unwrap();
            assert!(
                name.ends_with(kept) && end > MAX_NAME_LEN - 4,
                "{width}: {end}"
            );
        }
        let broken = to_bytes(&[0x80; 300], false);
        assert_eq!(
            broken.iter().filter(|byte| **byte == 0x80).count(),
            MAX_NAME_LEN - 3
        );
    }

    #[test]
    fn a_readable_name_stays_readable() {
        for name in ["letter.odt", "c++.cpp", "a_b-c@d", "отчёт.pdf", "报告.odt"] {
            assert_eq!(parsed(name.as_bytes()), (name.to_owned(), false));
        }
    }

    #[test]
    fn what_a_shell_or_a_terminal_obeys_becomes_an_underscore() {
        assert_eq!(parsed(b"$(id) 'x';\n\x1b\"").0, "__id___x_____");
        assert_eq!(parsed(b"-rf").0, "_rf");
        assert_eq!(parsed(b".bashrc").0, "_bashrc");
        assert_eq!(parsed(b"a\xFF\xFE.txt").0, "a__.txt");
        assert_eq!(parsed("a\u{202e}b😀".as_bytes()).0, "a_b_");
        assert_eq!(parsed(b"view-only--rf"), ("_rf".to_owned(), true));
    }

    #[test]
    fn names_that_name_no_file_are_refused() {
        for name in [
            &b""[..],
            b".",
            b"..",
            b"a/b",
            b"/",
            b"../x",
            b"view-only-",
            b"view-only-..",
            b"view-only-a/b",
        ] {
            assert_eq!(EditRequest::parse(&wire(name)), Err(NoFileName), "{name:?}");
        }
    }

    #[test]
    fn the_name_ends_at_the_first_nul_or_at_the_last_byte() {
        assert_eq!(parsed(b"a\0/b").0, "a");
        assert_eq!(
            EditRequest::parse(&[b'x'; REQUEST_LEN]).unwrap().file_name,
            "x".repeat(MAX_NAME_LEN)
        );
    }
}
