//! The request of qubes.OpenInVM: 256 bytes of name, then the file.

use text::is_safe;

/// Bytes of the name on the wire.
pub const REQUEST_LEN: usize = 256;

/// Longest name in bytes that a server takes; at least one NUL follows it.
pub const MAX_NAME_LEN: usize = REQUEST_LEN - 1;

/// The last bytes of a request whose client understands a framed answer ([`crate::edit_answer`]).
/// Other servers read the name as a C string and never look behind its first NUL.
pub const MARK: [u8; 16] = *b"\0qfile-answer\0\0\x01";

/// Longest name in bytes that a client of ours sends, so that [`MARK`] fits behind its NUL.
pub const MAX_SENT_NAME_LEN: usize = REQUEST_LEN - MARK.len() - 1;

/// What the name begins with when the file is to be looked at only.
pub const VIEW_ONLY_PREFIX: &[u8] = b"view-only-";

/// The name as it goes over the wire: `file_name` is the last component of the path. Of a name
/// that is too long the last bytes are kept, so that the extension survives, from a character
/// boundary on. A name that begins like a view-only request gets a `_` in front. Bytes that are
/// neither the name nor [`MARK`] are zero (QSB-009: a client once sent its environment there). The mark
/// is there only if `asks_for_frame`.
#[must_use]
pub fn to_bytes(file_name: &[u8], view_only: bool, asks_for_frame: bool) -> [u8; REQUEST_LEN] {
    let prefix = if view_only { VIEW_ONLY_PREFIX } else { b"" };
    let name = last_bytes(file_name, MAX_SENT_NAME_LEN - prefix.len());
    // Judged as cut: the end of a long name can look like the prefix.
    let guard: &[u8] = if name.starts_with(VIEW_ONLY_PREFIX) {
        b"_"
    } else {
        b""
    };
    let prefix = [prefix, guard].concat();
    let name = last_bytes(name, MAX_SENT_NAME_LEN - prefix.len());
    let mut bytes = [0; REQUEST_LEN];
    bytes[..prefix.len()].copy_from_slice(&prefix);
    bytes[prefix.len()..prefix.len() + name.len()].copy_from_slice(name);
    if asks_for_frame {
        bytes[REQUEST_LEN - MARK.len()..].copy_from_slice(&MARK);
    }
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
    /// The client understands a framed answer ([`crate::edit_answer`]).
    pub wants_frame: bool,
}

/// Why a request cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// There is no name in it, or one that names no file.
    NoFileName,
    /// There is something behind the name that has no meaning.
    BytesBehindName,
}

impl EditRequest {
    /// Understands what a client sent.
    ///
    /// # Errors
    /// [`BadRequest::NoFileName`] for a name that is empty, `.` or `..`, or that holds a `/`;
    /// [`BadRequest::BytesBehindName`] for anything behind its NUL but zeros and [`MARK`].
    pub fn parse(untrusted: &[u8; REQUEST_LEN]) -> Result<Self, BadRequest> {
        let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        let end = untrusted
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(REQUEST_LEN);
        let (name, behind) = untrusted.split_at(end);
        let wants_frame = match behind.strip_suffix(&MARK) {
            Some(between) if is_zero(between) => true,
            _ if is_zero(behind) => false,
            _ => return Err(BadRequest::BytesBehindName),
        };
        let name = last_bytes(name, MAX_NAME_LEN);
        let (name, view_only) = match name.strip_prefix(VIEW_ONLY_PREFIX) {
            Some(rest) => (rest, true),
            None => (name, false),
        };
        if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
            return Err(BadRequest::NoFileName);
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
            wants_frame,
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

    /// As a client of ours sends it.
    fn sent(name: &[u8]) -> [u8; REQUEST_LEN] {
        let mut bytes = wire(name);
        bytes[240..]
            .copy_from_slice(b"\x00\x71\x66\x69\x6c\x65\x2d\x61\x6e\x73\x77\x65\x72\x00\x00\x01");
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
            assert_eq!(to_bytes(name, view_only, true), sent(expected));
            assert_eq!(to_bytes(name, view_only, false), wire(expected));
            for (bytes, wants_frame) in [(sent(expected), true), (wire(expected), false)] {
                let request = EditRequest::parse(&bytes).unwrap();
                assert_eq!(request.view_only, view_only);
                assert_eq!(request.wants_frame, wants_frame);
            }
        }
    }

    #[test]
    fn of_a_long_name_the_end_is_kept() {
        let name: Vec<u8> = (0..300)
            .map(|i| b'a' + u8::try_from(i % 26).unwrap())
            .collect();
        assert_eq!(to_bytes(&name, false, true), sent(&name[61..]));
        assert_eq!(to_bytes(&name[..239], false, true), sent(&name[..239]));
        assert_eq!(
            to_bytes(&name, true, true),
            sent(&[b"view-only-", &name[71..]].concat())
        );
        assert_eq!(
            to_bytes(&name[..229], true, true),
            sent(&[b"view-only-", &name[..229]].concat())
        );
    }

    #[test]
    fn a_character_is_never_cut() {
        for width in ["é", "报", "😀"] {
            let name = width.repeat(200);
            let bytes = to_bytes(name.as_bytes(), false, true);
            let end = bytes.iter().position(|byte| *byte == 0).unwrap();
            let kept = std::str::from_utf8(&bytes[..end]).unwrap();
            assert!(
                name.ends_with(kept) && end > MAX_SENT_NAME_LEN - 4,
                "{width}: {end}"
            );
        }
        let broken = to_bytes(&[0x80; 300], false, true);
        assert_eq!(
            broken.iter().filter(|byte| **byte == 0x80).count(),
            MAX_SENT_NAME_LEN - 3
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
            let parsed = EditRequest::parse(&wire(name));
            assert_eq!(parsed, Err(BadRequest::NoFileName), "{name:?}");
        }
    }

    #[test]
    fn nothing_but_the_mark_may_stand_behind_the_name() {
        let bad = Err(BadRequest::BytesBehindName);
        for at in 2..REQUEST_LEN {
            for mut bytes in [wire(b"a"), sent(b"a")] {
                bytes[at] ^= 1;
                assert_eq!(EditRequest::parse(&bytes), bad, "{at}");
            }
        }
        // Of the mark, only its NUL fits behind the longest name.
        assert!(
            !EditRequest::parse(&wire(&[b'x'; MAX_NAME_LEN]))
                .unwrap()
                .wants_frame
        );
    }

    #[test]
    fn a_name_without_a_nul_is_cut() {
        assert_eq!(
            EditRequest::parse(&[b'x'; REQUEST_LEN]).unwrap().file_name,
            "x".repeat(MAX_NAME_LEN)
        );
    }
}
