//! The address of a qube whose packets are judged.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 or IPv6: each has a table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bits of an address.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The number of the protocol that `proto=icmp` means: ICMP or ICMPv6 (IANA).
    #[must_use]
    pub fn icmp(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 58,
        }
    }
}

/// A qube behind this one, by its address: the ADDR of `/qubes-firewall/ADDR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(IpAddr);

impl Client {
    /// Reads an address: four decimal numbers without leading zeros, or the text of an IPv6 address,
    /// in capitals too, without a zone. `None`: it is none.
    #[must_use]
    pub fn parse(untrusted_text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(untrusted_text).ok()?;
        text.parse().ok().map(Self)
    }

    /// The address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0
    }

    /// Its family.
    #[must_use]
    pub fn family(self) -> Family {
        Family::of(self.0)
    }

    /// The name of its chain: the address in its usual text, where `.` and `:` are `-`.
    #[must_use]
    pub fn chain(self) -> String {
        let text = match self.0 {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => hexadecimal(address),
        };
        format!("qbs-{}", text.replace(['.', ':'], "-"))
    }
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self(address)
    }
}

impl From<Ipv4Addr> for Client {
    fn from(address: Ipv4Addr) -> Self {
        Self(address.into())
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Without the dotted form, because `::ffff:1.2.3.4` and `::ffff:1:2:3:4` are different addresses
/// that must have different chains.
fn hexadecimal(address: Ipv6Addr) -> String {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => format!("::ffff:{high:x}:{low:x}"),
        _ => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_text_of_an_address_is_one() {
        for (text, chain) in [
            ("10.137.0.5", "qbs-10-137-0-5"),
            ("FD09::A89:5", "qbs-fd09--a89-5"),
            ("::ffff:1.2.3.4", "qbs---ffff-102-304"),
            ("::ffff:1:2:3:4", "qbs---ffff-1-2-3-4"),
        ] {
            let client = Client::parse(text.as_bytes()).unwrap();
            assert_eq!(client.chain(), chain);
        }
        for text in [
            "",
            "10.137.0",
            "10.137.0.256",
            "010.1.2.3",
            "1.2.3.4/32",
            "fe80::1%eth0",
            "a",
            " 1.2.3.4",
            "1.2.3.4\n",
            "[::1]",
        ] {
            assert_eq!(Client::parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_two_addresses_share_a_chain(segments in proptest::collection::vec(
            proptest::array::uniform8(prop_oneof![Just(0_u16), Just(0xffff), 0_u16..20, any::<u16>()]), 2..60
        )) {
            let mut seen = BTreeMap::new();
            for segment in segments {
                let address = Ipv6Addr::from(segment);
                let earlier = seen.insert(Client(address.into()).chain(), address);
                prop_assert!(earlier.is_none_or(|earlier| earlier == address));
            }
        }
    }
}
