//! The name of a qube, checked before it becomes the name of a folder.

use std::fmt;

/// Longest name of a qube in bytes.
pub const MAX_QUBE_NAME_LEN: usize = 31;

/// A name that a qube can have: 1 to 31 of `A-Z a-z 0-9 _ . -`, a letter first, not ending in
/// `-dm`, and none of the names that mean something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QubeName(String);

impl QubeName {
    /// Judges a name; `None` if no qube can have it.
    #[must_use]
    pub fn parse(untrusted_name: &[u8]) -> Option<Self> {
        let first_is_letter = untrusted_name.first().is_some_and(u8::is_ascii_alphabetic);
        let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
        let is_reserved = matches!(untrusted_name, b"none" | b"default" | b"Domain-0");
        let ok = first_is_letter
            && untrusted_name.len() <= MAX_QUBE_NAME_LEN
            && untrusted_name.iter().all(is_allowed)
            && !untrusted_name.ends_with(b"-dm")
            && !is_reserved;
        ok.then(|| String::from_utf8(untrusted_name.to_vec()).ok().map(Self))
            .flatten()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QubeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_qubes_have() {
        for name in [
            "work",
            "a",
            "sys-net",
            "dom0",
            "Work_2.old",
            "disp1234",
            "a234567890123456789012345678901",
            "none2",
        ] {
            assert_eq!(QubeName::parse(name.as_bytes()).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_no_qube_has() {
        let long = "a2345678901234567890123456789012";
        assert_eq!(long.len(), 32);
        for name in [
            "", ".", "..", "../x", "a/b", "/", "1a", "-a", "_a", ".a", "none", "default",
            "Domain-0", "x-dm", "a b", "a\n", "a\0", "ä", long,
        ] {
            assert_eq!(QubeName::parse(name.as_bytes()), None, "{name:?}");
        }
    }
}
