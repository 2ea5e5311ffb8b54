//! [`SafeName`]: the only way to get a path that may be created.

use crate::charset::Charset;
use crate::verdict::Refusal;

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
}
