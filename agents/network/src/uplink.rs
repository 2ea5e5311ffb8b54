//! What QubesDB says about the interface of this qube. Nothing here reads or writes anything.

use std::net::IpAddr;

use crate::keys::{self, KeyError, Keys, Mac};

/// The keys of the interface that has `/qubes-mac`.
const OF_QUBE: Names = Names {
    ip: "/qubes-ip",
    netmask: "/qubes-netmask",
    gateway: "/qubes-gateway",
    ip6: "/qubes-ip6",
    netmask6: "",
    gateway6: "/qubes-gateway6",
    custom: "",
};
const MAC: &str = "/qubes-mac";

/// The name servers.
const DNS: [&str; 2] = ["/qubes-primary-dns", "/qubes-secondary-dns"];

/// The names of the keys of an interface.
#[derive(Clone, Debug)]
struct Names<T = &'static str> {
    ip: T,
    netmask: T,
    gateway: T,
    ip6: T,
    netmask6: T,
    gateway6: T,
    custom: T,
}

impl<T: AsRef<str>> Names<T> {
    fn all(&self) -> impl Iterator<Item = &str> {
        let all = [
            &self.ip,
            &self.netmask,
            &self.gateway,
            &self.ip6,
            &self.netmask6,
            &self.gateway6,
            &self.custom,
        ];
        all.into_iter()
            .map(T::as_ref)
            .filter(|name| !name.is_empty())
    }
}

impl Names<String> {
    /// Those of the interface with this MAC address alone.
    fn of_interface(mac: Mac) -> Self {
        let name = |name| format!("/net-config/{mac}/{name}");
        Self {
            ip: name("ip"),
            netmask: name("netmask"),
            gateway: name("gateway"),
            ip6: name("ip6"),
            netmask6: name("netmask6"),
            gateway6: name("gateway6"),
            custom: name("custom"),
        }
    }
}

/// A value, and the key that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Of<T> {
    pub(crate) value: T,
    pub(crate) key: String,
}

/// An address of the interface, and where its packets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) address: Of<IpAddr>,
    pub(crate) prefix: u8,
    pub(crate) gateway: Option<Of<IpAddr>>,
}

/// What an interface is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uplink {
    /// At most one of each family, at least one.
    pub(crate) sides: Vec<Side>,
    /// Has the gateway the MAC address of every gateway?
    pub(crate) gateway_is_known: bool,
    /// The name servers in order.
    pub(crate) dns: Vec<Of<IpAddr>>,
}

/// All keys that an interface with this MAC address depends on.
pub(crate) fn needed(mac: Mac) -> Vec<String> {
    let own = Names::of_interface(mac);
    let all = own.all().chain(OF_QUBE.all()).chain([MAC]).chain(DNS);
    all.map(str::to_owned).collect()
}

/// What the interface with this MAC address is to have. `None`: QubesDB says nothing about it.
pub(crate) fn read(keys: &Keys, mac: Mac) -> Result<Option<Uplink>, KeyError> {
    let own = Names::of_interface(mac);
    if keys.raw(&own.ip).is_some() {
        return read_names(keys, &own).map(Some);
    }
    let named = keys.get(MAC, Mac::parse)?;
    let is_anothers = named.is_some_and(|named| named != mac);
    let is_there = [OF_QUBE.ip, OF_QUBE.ip6]
        .iter()
        .any(|key| keys.raw(key).is_some());
    if is_anothers || !is_there {
        return Ok(None);
    }
    read_names(keys, &OF_QUBE).map(Some)
}

fn read_names<T: AsRef<str>>(keys: &Keys, names: &Names<T>) -> Result<Uplink, KeyError> {
    let v4 = |key: &T| {
        of(keys, key.as_ref(), |value| {
            keys::host_v4(value).map(IpAddr::V4)
        })
    };
    let netmask = keys.get(names.netmask.as_ref(), keys::netmask)?;
    let first = side(
        keys,
        v4(&names.ip)?,
        netmask.unwrap_or(32),
        v4(&names.gateway)?,
    )?;
    let address6 = of(keys, names.ip6.as_ref(), |value| {
        keys::routed_v6(value).map(IpAddr::V6)
    })?;
    let gateway6 = of(keys, names.gateway6.as_ref(), |value| {
        keys::host_v6(value).map(IpAddr::V6)
    })?;
    let netmask6 = keys.get(names.netmask6.as_ref(), keys::prefix_v6)?;
    let second = side(keys, address6, netmask6.unwrap_or(128), gateway6)?;
    let custom = keys.get(names.custom.as_ref(), keys::yes_or_no)?;
    let mut dns = Vec::new();
    for key in DNS {
        dns.extend(of(keys, key, keys::host)?);
    }
    Ok(Uplink {
        sides: first.into_iter().chain(second).collect(),
        gateway_is_known: custom != Some(true),
        dns,
    })
}

/// A gateway without an address is for nobody.
fn side(
    keys: &Keys,
    address: Option<Of<IpAddr>>,
    prefix: u8,
    gateway: Option<Of<IpAddr>>,
) -> Result<Option<Side>, KeyError> {
    let Some(address) = address else {
        return Ok(None);
    };
    if let Some(same) = gateway
        .as_ref()
        .filter(|other| other.value == address.value)
    {
        let value = keys.raw(&same.key).unwrap_or_default();
        let why = "the gateway has the address of this qube";
        return Err(KeyError::new(&same.key, value, why));
    }
    Ok(Some(Side {
        address,
        prefix,
        gateway,
    }))
}

fn of<T>(
    keys: &Keys,
    key: &str,
    judge: impl FnOnce(&[u8]) -> Result<T, &'static str>,
) -> Result<Option<Of<T>>, KeyError> {
    let value = keys.get(key, judge)?;
    Ok(value.map(|value| Of {
        value,
        key: key.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: Mac = Mac([0, 0x16, 0x3e, 0x5e, 0x6c, 0]);

    fn keys(entries: &[(&str, &str)]) -> Keys {
        let mut keys = Keys::default();
        for (key, value) in entries {
            keys.insert(key, value.as_bytes());
        }
        keys
    }

    const WHOLE: [(&str, &str); 7] = [
        (MAC, "00:16:3e:5e:6c:00"),
        ("/qubes-ip", "10.137.0.5"),
        ("/qubes-gateway", "10.138.0.1"),
        ("/qubes-ip6", "fd09::5"),
        ("/qubes-gateway6", "fe80::1"),
        ("/qubes-primary-dns", "10.139.1.1"),
        ("/qubes-secondary-dns", "10.139.1.2"),
    ];

    #[test]
    fn an_address_without_a_mask_is_alone() {
        let uplink = read(&keys(&WHOLE), OWN).unwrap().unwrap();
        let sides: Vec<_> = uplink
            .sides
            .iter()
            .map(|side| {
                let gateway = side.gateway.as_ref().unwrap();
                format!("{}/{} {}", side.address.value, side.prefix, gateway.value)
            })
            .collect();
        assert_eq!(sides, ["10.137.0.5/32 10.138.0.1", "fd09::5/128 fe80::1"]);
        let dns: Vec<_> = uplink.dns.iter().map(|dns| dns.value.to_string()).collect();
        assert_eq!(dns, ["10.139.1.1", "10.139.1.2"]);
        assert!(uplink.gateway_is_known);
    }

    #[test]
    fn the_keys_of_the_interface_come_first() {
        let mut entries = keys(&WHOLE);
        for (name, value) in [
            ("ip", "192.0.2.7"),
            ("netmask", "255.255.255.0"),
            ("gateway", "192.0.2.1"),
            ("ip6", "2001:db8::7"),
            ("netmask6", "64"),
            ("gateway6", "2001:db8::1"),
            ("custom", "1"),
        ] {
            entries.insert(&format!("/net-config/{OWN}/{name}"), value.as_bytes());
        }
        let uplink = read(&entries, OWN).unwrap().unwrap();
        let prefixes: Vec<_> = uplink.sides.iter().map(|side| side.prefix).collect();
        assert_eq!(prefixes, [24, 64]);
        assert_eq!(uplink.sides[0].address.value.to_string(), "192.0.2.7");
        assert!(!uplink.gateway_is_known);
        assert_eq!(uplink.dns.len(), 2);
    }

    #[test]
    fn another_interface_has_nothing() {
        let other = Mac([2, 0, 0, 0, 0, 1]);
        assert_eq!(read(&keys(&WHOLE), other), Ok(None));
        assert_eq!(read(&keys(&[]), OWN), Ok(None));
        // Without /qubes-mac there is one interface.
        assert!(read(&keys(&WHOLE[1..]), other).unwrap().is_some());
    }

    #[test]
    fn each_key_that_is_not_understood_is_named() {
        let mac = format!("/net-config/{OWN}/");
        for key in needed(OWN) {
            let mut entries = keys(&WHOLE);
            if let Some(name) = key.strip_prefix(&mac) {
                if name != "ip" {
                    entries.insert(&format!("{mac}ip"), b"192.0.2.7");
                }
            }
            entries.insert(&key, b"10.1.1.1;");
            let error = read(&entries, OWN).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{key}\"")), "{key}: {error}");
        }
        let own_address = keys(&[("/qubes-ip", "10.1.1.1"), ("/qubes-gateway", "10.1.1.1")]);
        let error = read(&own_address, OWN).unwrap_err().to_string();
        assert!(error.contains("/qubes-gateway"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_key_are_an_error_or_an_address_of_a_host(
            which in 0_usize..13,
            value in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut entries = keys(&WHOLE);
            let needed = needed(OWN);
            entries.insert(&needed[which % needed.len()], &value);
            if let Ok(Some(uplink)) = read(&entries, OWN) {
                prop_assert!(!uplink.sides.is_empty());
                for side in &uplink.sides {
                    prop_assert!(!side.address.value.is_loopback());
                    prop_assert!(!side.address.value.is_multicast());
                    prop_assert!(side.prefix >= 1);
                }
            }
        }
    }
}
