//! The names of interfaces.

use std::fmt;
use std::str::FromStr;

/// Longest name in bytes (`linux/if.h`: IFNAMSIZ, less the NUL).
const MAX_LEN: usize = 15;

/// Domains have numbers below this one (Xen: DOMID_FIRST_RESERVED).
const DOMAINS: u32 = 0x7ff0;

/// The metric of the route to the client with the number 0. Higher numbers have lower ones, so that
/// the newest of two clients with the same address gets its packets.
const HIGHEST_METRIC: u32 = 32_752;

/// The name of an interface: letters, digits and `._-`. It stands in paths and in a file of
/// NetworkManager, so that the kernel allows more does not matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(untrusted_text: &str) -> Result<Self, Self::Err> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let begins_well = untrusted_text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric());
        if begins_well && untrusted_text.len() <= MAX_LEN && untrusted_text.bytes().all(is_allowed)
        {
            Ok(Self(untrusted_text.to_owned()))
        } else {
            Err(
                "an interface is named by 1 to 15 letters, digits and \"._-\", a letter or digit first",
            )
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The interface of a qube behind this one: `vifDOMAIN.NUMBER`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    name: Name,
    domain: u32,
}

impl Client {
    /// Its name.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// The metric of routes to it.
    pub(crate) fn metric(&self) -> u32 {
        HIGHEST_METRIC - self.domain
    }
}

impl FromStr for Client {
    type Err = &'static str;

    fn from_str(untrusted_text: &str) -> Result<Self, Self::Err> {
        let error = "the interface of a qube is named vifDOMAIN.NUMBER";
        let name: Name = untrusted_text.parse()?;
        let numbers = untrusted_text.strip_prefix("vif").ok_or(error)?;
        let (domain, number) = numbers.split_once('.').ok_or(error)?;
        let domain = number_of(domain).filter(|domain| *domain < DOMAINS);
        number_of(number).ok_or(error)?;
        Ok(Self {
            name,
            domain: domain.ok_or(error)?,
        })
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// A decimal number without a sign or leading zeros.
fn number_of(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_has_no_byte_that_means_something_elsewhere() {
        for good in ["eth0", "ens5", "vif1.0-emu", "a", "0123456789abcde"] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            "-x",
            "a/b",
            "a b",
            "a\n",
            "0123456789abcdef",
            "é",
            "a%d",
            "a;b",
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_client_has_the_number_of_its_domain() {
        let metric = |text: &str| text.parse::<Client>().map(|client| client.metric());
        assert_eq!(metric("vif1.0"), Ok(32_751));
        assert_eq!(metric("vif32751.1"), Ok(1));
        for bad in [
            "eth0",
            "vif",
            "vif1",
            "vif1.",
            "vif.0",
            "vif01.0",
            "vif1.00",
            "vif32752.0",
            "vif+1.0",
            "vif1.0-emu",
            "vif1.0.0",
            "VIF1.0",
        ] {
            assert!(metric(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_a_client_is_written_as_it_was_read(text in "(vif)?[0-9]{0,6}[.x]?[0-9]{0,4}") {
            if let Ok(client) = text.parse::<Client>() {
                prop_assert_eq!(client.to_string(), text);
                prop_assert!(client.metric() >= 1 && client.metric() <= HIGHEST_METRIC);
            }
        }
    }
}
