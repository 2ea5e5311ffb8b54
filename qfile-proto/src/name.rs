//! [`SafeName`]: the only way to get a path that may be created.

use crate::verdict::Refusal;
use text::Charset;

/// The name of an entry, judged: relative, `/`-separated, without empty, `.` or `..` components
/// and without NUL, in characters of the charset asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeName<'a>(&'a [u8]);

impl<'a> SafeName<'a> {
    /// Judges a name.
    ///
    /// # Errors
    /// [`Refusal::ForbiddenName`].
    pub fn parse(untrusted_name: &'a [u8], charset: Charset) -> Result<Self, Refusal> {
        let structure_ok = untrusted_name
            .split(|byte| *byte == b'/')
            .all(|component| !matches!(component, b"" | b"." | b"..") && !component.contains(&0));
        if structure_ok && charset.allows(untrusted_name) {
            Ok(Self(untrusted_name))
        } else {
            Err(Refusal::ForbiddenName)
        }
    }

    /// The whole name.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The components, at least one.
    pub fn components(self) -> impl DoubleEndedIterator<Item = &'a [u8]> + Clone {
        self.0.split(|byte| *byte == b'/')
    }

    /// How many components it has, at least one.
    #[must_use]
    pub fn depth(self) -> usize {
        1 + self.0.iter().filter(|byte| **byte == b'/').count()
    }

    /// The folder that it stands in (`None`: directly in the incoming folder) and its last
    /// component.
    #[must_use]
    pub fn split_last(self) -> (Option<Self>, &'a [u8]) {
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (Some(Self(&self.0[..slash])), &self.0[slash + 1..]),
            None => (None, self.0),
        }
    }

    /// The same name, owning its bytes.
    #[must_use]
    pub fn to_buf(self) -> SafeNameBuf {
        SafeNameBuf(self.0.to_vec())
    }

    /// The name beneath `top` in place of its own first component.
    #[must_use]
    pub fn beneath(self, top: SafeName<'_>) -> SafeNameBuf {
        let rest = self.0.iter().position(|byte| *byte == b'/');
        let rest = rest.map_or(&b""[..], |slash| &self.0[slash..]);
        SafeNameBuf([top.0, rest].concat())
    }

    /// The name with ` (NUMBER)` in its last component: before the extension of a file, at the end
    /// of a folder's name and of one that only begins with a dot.
    #[must_use]
    pub fn numbered(self, is_folder: bool, number: u32) -> SafeNameBuf {
        let (_, last) = self.split_last();
        let stem_len = match last.iter().rposition(|byte| *byte == b'.') {
            Some(dot) if dot > 0 && !is_folder => dot,
            _ => last.len(),
        };
        let (stem, extension) = self.0.split_at(self.0.len() - last.len() + stem_len);
        SafeNameBuf([stem, format!(" ({number})").as_bytes(), extension].concat())
    }
}

/// A [`SafeName`] that owns its bytes. It is made of safe names only, by what leaves them safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeNameBuf(Vec<u8>);

impl SafeNameBuf {
    /// The name.
    #[must_use]
    pub fn as_name(&self) -> SafeName<'_> {
        SafeName(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_lead_elsewhere_are_refused_whatever_the_charset() {
        let forbidden: [&[u8]; 18] = [
            b"",
            b"/",
            b"/a",
            b"a/",
            b"a//b",
            b".",
            b"..",
            b"./a",
            b"../a",
            b"a/.",
            b"a/..",
            b"a/./b",
            b"a/../b",
            b"//",
            b"a/b/../../c",
            b"\0",
            b"a\0b",
            b"a/\0",
        ];
        for name in forbidden {
            for charset in [Charset::Safe, Charset::All] {
                assert_eq!(
                    SafeName::parse(name, charset),
                    Err(Refusal::ForbiddenName),
                    "{name:?}"
                );
            }
        }
    }

    #[test]
    fn dots_that_are_not_alone_are_a_name() {
        for name in ["...", ".a", "a.", "..a", "a..", ".../..."] {
            assert!(
                SafeName::parse(name.as_bytes(), Charset::Safe).is_ok(),
                "{name}"
            );
        }
    }

    #[test]
    fn all_names_lifts_the_rule_of_characters_only() {
        for name in [&b"\x1b[31m"[..], b"\xFF", "\u{202e}".as_bytes(), b"a/\n"] {
            assert_eq!(
                SafeName::parse(name, Charset::Safe),
                Err(Refusal::ForbiddenName)
            );
            assert_eq!(
                SafeName::parse(name, Charset::All).unwrap().as_bytes(),
                name
            );
        }
    }

    #[test]
    fn a_name_knows_its_parts() {
        let name = SafeName::parse(b"a/b/c", Charset::Safe).unwrap();
        assert_eq!(name.depth(), 3);
        assert_eq!(name.components().collect::<Vec<_>>(), [b"a", b"b", b"c"]);
        let (parent, last) = name.split_last();
        assert_eq!((parent.unwrap().as_bytes(), last), (&b"a/b"[..], &b"c"[..]));
        let single = SafeName::parse(b"a", Charset::Safe).unwrap();
        assert_eq!(single.split_last(), (None, &b"a"[..]));
        assert_eq!(single.depth(), 1);
    }
    fn safe(name: &str) -> SafeName<'_> {
        SafeName::parse(name.as_bytes(), Charset::Safe).unwrap()
    }

    fn text(name: &SafeNameBuf) -> &str {
        std::str::from_utf8(name.as_name().as_bytes()).unwrap()
    }

    #[test]
    fn a_number_stands_before_the_extension() {
        for (name, expected) in [
            ("name.ext", "name (2).ext"),
            ("name", "name (2)"),
            (".bashrc", ".bashrc (2)"),
            ("a.b/c.d.e", "a.b/c.d (2).e"),
            ("a.b/c", "a.b/c (2)"),
            ("a.", "a (2)."),
            ("..a", ". (2).a"),
        ] {
            assert_eq!(text(&safe(name).numbered(false, 2)), expected);
        }
        assert_eq!(
            text(&safe("photos.2024").numbered(true, 13)),
            "photos.2024 (13)"
        );
    }

    #[test]
    fn a_name_can_be_put_beneath_another_top() {
        let top = safe("a (2)");
        assert_eq!(text(&safe("a/b/c").beneath(top)), "a (2)/b/c");
        assert_eq!(text(&safe("a").beneath(top)), "a (2)");
    }

    #[test]
    fn what_is_made_of_a_safe_name_is_safe() {
        for name in ["a", ".a", "a.", "...", "a/...", "..a/.b.", "a/b.c/d"] {
            for made in [
                safe(name).to_buf(),
                safe(name).numbered(true, 999),
                safe(name).numbered(false, 2),
                safe(name).beneath(safe("b/c")),
            ] {
                let again = SafeName::parse(made.as_name().as_bytes(), Charset::Safe);
                assert_eq!(again, Ok(made.as_name()));
            }
        }
    }
}
