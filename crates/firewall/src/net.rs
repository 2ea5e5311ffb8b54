//! A network: an address and how many of its first bits count.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::Family;
use crate::rule::number;

/// A network. The bits behind the prefix are zero, whatever was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Net {
    address: IpAddr,
    prefix: u8,
}

impl Net {
    /// The network of the first `prefix` bits of `address`; `None`: it has not so many.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        if prefix > Family::of(address).bits() {
            return None;
        }
        let address = match address {
            IpAddr::V4(address) => Ipv4Addr::from(u32::from(address) & mask_v4(prefix)).into(),
            IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & mask_v6(prefix)).into(),
        };
        Some(Self { address, prefix })
    }

    /// Reads `ADDRESS/BITS`, or `ADDRESS`, which is a network of one. `None`: it is none of this
    /// family.
    pub(crate) fn parse(family: Family, text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, number(prefix, family.bits())?),
            None => (text, family.bits()),
        };
        let address = match family {
            Family::V4 => address.parse::<Ipv4Addr>().ok()?.into(),
            Family::V6 => address.parse::<Ipv6Addr>().ok()?.into(),
        };
        Self::new(address, prefix)
    }

    /// Its first address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits count.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The bits that count, as bytes in the order of an address.
    #[must_use]
    pub fn mask(&self) -> Vec<u8> {
        match self.address {
            IpAddr::V4(_) => mask_v4(self.prefix).to_be_bytes().to_vec(),
            IpAddr::V6(_) => mask_v6(self.prefix).to_be_bytes().to_vec(),
        }
    }

    /// Is this address in it?
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::new(address, self.prefix).is_some_and(|net| net == *self)
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Option<Net> {
        Net::parse(Family::V4, text).or_else(|| Net::parse(Family::V6, text))
    }

    #[test]
    fn bits_behind_the_prefix_do_not_count() {
        for (text, same) in [
            ("192.168.0.7/24", "192.168.0.0/24"),
            ("1.2.3.4", "1.2.3.4/32"),
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("2A00:1450:4000::1/37", "2a00:1450:4000::/37"),
            ("::1", "::1/128"),
            ("::1/0", "::/0"),
        ] {
            assert_eq!(net(text).unwrap().to_string(), same);
        }
        let inside = |address: &str| {
            net("192.168.1.0/25")
                .unwrap()
                .contains(address.parse().unwrap())
        };
        assert!(inside("192.168.1.127"));
        assert!(!inside("192.168.1.128"));
        assert!(!inside("::ffff:192.168.1.1"));
    }

    #[test]
    fn anything_else_is_no_network() {
        for text in [
            "",
            "/",
            "1.2.3.4/",
            "1.2.3.4/33",
            "1.2.3.4/032",
            "1.2.3.4/+8",
            "1.2.3.4/8/8",
            "1.2.3",
            "01.2.3.4",
            "::/129",
            "::1%lo",
            "example.com",
            "1.2.3.4-1.2.3.5",
            "1.2.3.4/255.0.0.0",
        ] {
            assert_eq!(net(text), None, "{text}");
        }
    }
}
