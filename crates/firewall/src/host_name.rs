//! The name of a host, which DNS may know.

use std::fmt;
use std::sync::Arc;

/// Longest name in bytes (RFC 1035, section 2.3.4, without the lengths that DNS adds).
const MAX_LEN: usize = 253;

/// Longest label, the text between two dots.
const MAX_LABEL_LEN: usize = 63;

/// A name of `a-z 0-9 . _ -`: labels of 1 to 63 bytes, 253 in all; one dot may stand at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Arc<str>);

impl HostName {
    /// Judges a name.
    #[must_use]
    pub fn parse(untrusted_text: &str) -> Option<Self> {
        let labels = untrusted_text.strip_suffix('.').unwrap_or(untrusted_text);
        let good = untrusted_text.len() <= MAX_LEN
            && labels.split('.').all(|label| {
                (1..=MAX_LABEL_LEN).contains(&label.len()) && label.bytes().all(is_allowed)
            });
        good.then(|| Self(untrusted_text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_allowed(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_labels_that_dns_can_carry() {
        let label = "x".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "x".repeat(61));
        for good in [
            "a",
            "example.com",
            "example.com.",
            "_srv.a-b.c",
            "1.2.3.4",
            &longest,
        ] {
            assert_eq!(HostName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            "A",
            "a b",
            "a/b",
            "a;b",
            "é",
            "a:b",
            &format!("{label}x"),
            &format!("{longest}x"),
            &format!("{longest}."),
        ] {
            assert_eq!(HostName::parse(bad), None, "{bad}");
        }
    }
}
