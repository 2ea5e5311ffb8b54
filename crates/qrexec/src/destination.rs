//! Where another machine is, for ssh.

use std::fmt;

/// Longest destination in bytes: longer than any user and host.
const MAX_LEN: usize = 512;

/// `[USER@]HOST`: a host name, or a `Host` of ssh_config(5). It cannot be an option of ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(String);

impl Destination {
    /// Judges a destination: `A-Z a-z 0-9 . _ @ -`, a letter or a digit first, and at most one `@`,
    /// after which another letter or digit stands.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_part = |part: &str| {
            let first = part.bytes().next();
            first.is_some_and(|byte| byte.is_ascii_alphanumeric()) && part.bytes().all(is_allowed)
        };
        let parts: Vec<&str> = text.split('@').collect();
        let ok = text.len() <= MAX_LEN && parts.len() <= 2 && parts.into_iter().all(is_part);
        ok.then(|| Self(text.to_owned()))
    }

    /// The destination.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_never_an_option_or_an_address_of_another_kind() {
        for good in [
            "server",
            "me@server",
            "192.0.2.1",
            "a_b-c.example.org",
            "9",
            "m.e@9",
        ] {
            assert_eq!(Destination::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-oProxyCommand=id",
            "-",
            "@server",
            "me@",
            "me@-x",
            "a@b@c",
            "a b",
            "ssh://a",
            "[::1]",
            "a:22",
            "a/b",
            "é",
            "a\n",
            "$(id)",
            ".a",
            "_a",
        ] {
            assert_eq!(Destination::parse(bad), None, "{bad:?}");
        }
        assert!(Destination::parse(&"a".repeat(513)).is_none());
    }
}
