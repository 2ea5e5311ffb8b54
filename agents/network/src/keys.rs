//! What a key of QubesDB may hold. Nothing here reads or writes anything.
//!
//! A qube may overwrite its keys, and whoever has written one, what is not understood is an error
//! that names the key. An empty value is as good as none.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::{self, FromStr};

use text::foreign;

/// Keys and their values, as they were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(BTreeMap<String, Vec<u8>>);

impl Keys {
    /// Takes in what a key holds.
    pub(crate) fn insert(&mut self, key: &str, untrusted_value: &[u8]) {
        self.0.insert(key.to_owned(), untrusted_value.to_vec());
    }

    /// What a key holds; `None`: nothing.
    pub(crate) fn raw(&self, key: &str) -> Option<&[u8]> {
        let value = self.0.get(key)?;
        (!value.is_empty()).then_some(value)
    }

    /// What a key holds, as `judge` reads it.
    ///
    /// # Errors
    /// It is not understood.
    pub(crate) fn get<T>(
        &self,
        key: &str,
        judge: impl FnOnce(&[u8]) -> Result<T, &'static str>,
    ) -> Result<Option<T>, KeyError> {
        let Some(untrusted_value) = self.raw(key) else {
            return Ok(None);
        };
        judge(untrusted_value)
            .map(Some)
            .map_err(|why| KeyError::new(key, untrusted_value, why))
    }
}

/// A key whose value is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyError {
    key: String,
    value: Vec<u8>,
    why: &'static str,
}

impl KeyError {
    /// That the value of the key is wrong.
    pub(crate) fn new(key: &str, untrusted_value: &[u8], why: &'static str) -> Self {
        Self {
            key: key.to_owned(),
            value: untrusted_value.to_vec(),
            why,
        }
    }
}

/// `key "/qubes-ip" is "10.1": …`.
impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = foreign(&self.value);
        write!(f, "key \"{}\" is \"{value}\": {}", self.key, self.why)
    }
}

/// The address that a host can have, of IPv4.
///
/// # Errors
/// It is none.
pub(crate) fn host_v4(untrusted_value: &[u8]) -> Result<Ipv4Addr, &'static str> {
    let address: Ipv4Addr = parse(untrusted_value).ok_or("this is not an IPv4 address")?;
    let [first, ..] = address.octets();
    let is_of_a_host = first != 0 && first < 224 && !address.is_loopback();
    is_of_a_host
        .then_some(address)
        .ok_or("no host can have this IPv4 address")
}

/// The address that a host can have, of IPv6, also of one link only.
///
/// # Errors
/// It is none.
pub(crate) fn host_v6(untrusted_value: &[u8]) -> Result<Ipv6Addr, &'static str> {
    let address: Ipv6Addr = parse(untrusted_value).ok_or("this is not an IPv6 address")?;
    // `::1.2.3.4` and `::ffff:1.2.3.4` are IPv4 addresses to some programs.
    let is_of_a_host = address.segments()[..5] != [0; 5] && !address.is_multicast();
    is_of_a_host
        .then_some(address)
        .ok_or("no host can have this IPv6 address")
}

/// The IPv6 address that a host can have beyond its link.
///
/// # Errors
/// It is none.
pub(crate) fn routed_v6(untrusted_value: &[u8]) -> Result<Ipv6Addr, &'static str> {
    match host_v6(untrusted_value)? {
        address if is_of_link(address) => Err("this address is for one link only"),
        address => Ok(address),
    }
}

/// Is it good on its link only (RFC 4291: `fe80::/10`)?
pub(crate) fn is_of_link(address: Ipv6Addr) -> bool {
    address.is_unicast_link_local()
}

/// The address that a host can have beyond its link, of either family.
///
/// # Errors
/// It is none.
pub(crate) fn host(untrusted_value: &[u8]) -> Result<IpAddr, &'static str> {
    match parse(untrusted_value) {
        Some(IpAddr::V4(_)) => host_v4(untrusted_value).map(IpAddr::V4),
        Some(IpAddr::V6(_)) => routed_v6(untrusted_value).map(IpAddr::V6),
        None => Err("this is not an IP address"),
    }
}

/// The length of the prefix of a network mask such as 255.255.255.0.
///
/// # Errors
/// It is none, or leaves no bit.
pub(crate) fn netmask(untrusted_value: &[u8]) -> Result<u8, &'static str> {
    let error = "this is not a network mask";
    let mask = u32::from(parse::<Ipv4Addr>(untrusted_value).ok_or(error)?);
    let len = mask.leading_ones();
    match len + mask.trailing_zeros() {
        32 if len > 0 => u8::try_from(len).map_err(|_| error),
        _ => Err(error),
    }
}

/// The length of a prefix of IPv6.
///
/// # Errors
/// It is none.
pub(crate) fn prefix_v6(untrusted_value: &[u8]) -> Result<u8, &'static str> {
    parse::<u8>(untrusted_value)
        .filter(|len| (1..=128).contains(len) && len.to_string().as_bytes() == untrusted_value)
        .ok_or("this is not a number from 1 to 128")
}

/// A word that stands for yes or no.
///
/// # Errors
/// It is none.
pub(crate) fn yes_or_no(untrusted_value: &[u8]) -> Result<bool, &'static str> {
    match untrusted_value {
        b"1" | b"True" => Ok(true),
        b"0" | b"False" => Ok(false),
        _ => Err("this is neither 1 or True nor 0 or False"),
    }
}

/// The address of an interface on its link: six bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub(crate) [u8; 6]);

impl Mac {
    /// The one that every gateway of Qubes OS has.
    pub(crate) const OF_GATEWAY: Self = Self([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff]);

    /// Reads six pairs of hexadecimal digits, with `:` between them.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn parse(untrusted_value: &[u8]) -> Result<Self, &'static str> {
        let error = "this is not a MAC address";
        let text = str::from_utf8(untrusted_value).map_err(|_| error)?;
        let mut pairs = text.split(':');
        let mut bytes = [0; 6];
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| is_pair(pair)).ok_or(error)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| error)?;
        }
        match pairs.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(error),
        }
    }
}

fn is_pair(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl FromStr for Mac {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes())
    }
}

/// In small letters.
impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.map(|byte| format!("{byte:02x}"));
        f.write_str(&pairs.join(":"))
    }
}

fn parse<T: FromStr>(untrusted_value: &[u8]) -> Option<T> {
    str::from_utf8(untrusted_value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_a_host_can_have_is_an_address() {
        for good in ["10.137.0.5", "192.0.2.1", "223.255.255.255", "169.254.1.1"] {
            assert_eq!(host_v4(good.as_bytes()).unwrap().to_string(), good);
        }
        for bad in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "10.137.0",
            "10.137.0.05",
            "10.137.0.5/32",
            "10.137.0.5 ",
            "10.137.0.5\n",
            "0x0a.1.1.1",
            "fd09::5",
        ] {
            assert!(host_v4(bad.as_bytes()).is_err(), "{bad:?}");
        }
        for good in ["fd09::5", "2001:db8::1", "fe80::1"] {
            assert_eq!(host_v6(good.as_bytes()).unwrap().to_string(), good);
        }
        assert!(routed_v6(b"fe80::1").is_err());
        assert!(host(b"fe80::1").is_err());
        for bad in [
            "::",
            "::1",
            "::10.137.0.5",
            "::ffff:10.137.0.5",
            "ff02::1",
            "fe80::1%eth0",
            "fd09::5/128",
            "[fd09::5]",
            "fd09:::5",
            "10.137.0.5",
        ] {
            assert!(host_v6(bad.as_bytes()).is_err(), "{bad:?}");
            assert!(routed_v6(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_mask_has_no_hole() {
        for (mask, len) in [
            ("255.255.255.255", 32),
            ("255.255.255.0", 24),
            ("128.0.0.0", 1),
        ] {
            assert_eq!(netmask(mask.as_bytes()), Ok(len));
        }
        for bad in [
            "0.0.0.0",
            "255.0.255.0",
            "0.0.0.255",
            "24",
            "",
            "255.255.255",
        ] {
            assert!(netmask(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert_eq!(prefix_v6(b"64"), Ok(64));
        for bad in ["0", "129", "064", "+64", "", "64 ", "ffff::"] {
            assert!(prefix_v6(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_mac_address_has_six_pairs() {
        let mac = Mac::parse(b"00:16:3E:5e:6c:00").unwrap();
        assert_eq!(mac.to_string(), "00:16:3e:5e:6c:00");
        assert_eq!(Mac::OF_GATEWAY.to_string(), "fe:ff:ff:ff:ff:ff");
        for bad in [
            "",
            "00:16:3e:5e:6c",
            "00:16:3e:5e:6c:00:00",
            "00-16-3e-5e-6c-00",
            "0:16:3e:5e:6c:00",
            "+0:16:3e:5e:6c:00",
            "00:16:3e:5e:6c:0g",
            "00:16:3e:5e:6c:00\n",
        ] {
            assert!(Mac::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_names_the_key_and_shows_the_value_as_text() {
        let mut keys = Keys::default();
        keys.insert("/qubes-ip", b"10\x1b[2J");
        keys.insert("/empty", b"");
        let error = keys.get("/qubes-ip", host_v4).unwrap_err().to_string();
        assert!(error.starts_with("key \"/qubes-ip\" is \"10"), "{error}");
        assert!(!error.contains('\x1b'), "{error}");
        assert_eq!(keys.get("/empty", host_v4), Ok(None));
        assert_eq!(keys.get("/none", host_v4), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_judge_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _judged = (host_v4(&bytes), host_v6(&bytes), host(&bytes), netmask(&bytes));
            let _judged = (prefix_v6(&bytes), yes_or_no(&bytes), Mac::parse(&bytes));
        }

        #[test]
        fn whatever_is_an_address_means_the_same_to_every_reader(
            bytes in "[0-9.]{0,16}|[0-9a-f:.]{0,24}"
        ) {
            if let Ok(address) = host(bytes.as_bytes()) {
                prop_assert_eq!(bytes.parse::<IpAddr>(), Ok(address));
                prop_assert!(!address.is_loopback() && !address.is_multicast());
                prop_assert!(!address.is_unspecified());
            }
        }

        #[test]
        fn a_mask_is_read_as_it_is_written(len in 1_u32..=32) {
            let mask = Ipv4Addr::from(u32::MAX << (32 - len)).to_string();
            prop_assert_eq!(netmask(mask.as_bytes()).map(u32::from), Ok(len));
        }
    }
}
