//! What QubesDB says about a qube that provides network. Nothing here reads or writes anything.

use std::net::IpAddr;

use crate::keys::{self, KeyError, Keys};

/// It provides network if this is not empty.
const NETWORK: &str = "/qubes-netvm-network";

/// Its own addresses on the interfaces of clients.
const ADDRESSES: [&str; 2] = ["/qubes-netvm-gateway", "/qubes-netvm-gateway6"];

/// The addresses that clients have as name servers.
const DNS: [&str; 2] = ["/qubes-netvm-primary-dns", "/qubes-netvm-secondary-dns"];

/// A qube that provides network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gateway {
    /// Its addresses, and their keys.
    pub(crate) addresses: Vec<(&'static str, IpAddr)>,
    /// What clients have as name servers, in order.
    pub(crate) dns: Vec<IpAddr>,
}

/// All keys that it depends on.
pub(crate) fn needed() -> Vec<String> {
    let all = [NETWORK].into_iter().chain(ADDRESSES).chain(DNS);
    all.map(str::to_owned).collect()
}

/// What QubesDB says. `None`: the qube provides no network.
pub(crate) fn read(keys: &Keys) -> Result<Option<Gateway>, KeyError> {
    let v4 = keys.get(ADDRESSES[0], keys::host_v4)?.map(IpAddr::V4);
    let v6 = keys.get(ADDRESSES[1], keys::host_v6)?.map(IpAddr::V6);
    let mut dns = Vec::new();
    for key in DNS {
        dns.extend(keys.get(key, keys::host)?);
    }
    dns.dedup();
    if keys.raw(NETWORK).is_none() {
        return Ok(None);
    }
    let addresses = ADDRESSES.into_iter().zip([v4, v6]);
    let addresses = addresses.filter_map(|(key, address)| Some((key, address?)));
    Ok(Some(Gateway {
        addresses: addresses.collect(),
        dns,
    }))
}

/// The keys that say that a client sees another address than this one as its own, or another one as
/// that of its gateway.
pub(crate) fn keys_of_mapping(address: IpAddr) -> [String; 2] {
    ["visible-ip", "visible-gateway"].map(|name| format!("/mapped-ip/{address}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qube_provides_network_if_it_has_one() {
        let mut entries = Keys::default();
        for (key, value) in [
            ("/qubes-netvm-gateway", "10.138.0.1"),
            ("/qubes-netvm-gateway6", "fe80::1"),
            ("/qubes-netvm-primary-dns", "10.139.1.1"),
            ("/qubes-netvm-secondary-dns", "10.139.1.1"),
            ("/qubes-netvm-network", ""),
        ] {
            entries.insert(key, value.as_bytes());
        }
        assert_eq!(read(&entries), Ok(None));
        entries.insert(NETWORK, b"anything");
        let gateway = read(&entries).unwrap().unwrap();
        let keys: Vec<_> = gateway.addresses.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ADDRESSES);
        assert_eq!(gateway.dns, ["10.139.1.1".parse::<IpAddr>().unwrap()]);
        for key in &needed()[1..] {
            let mut bad = entries.clone();
            bad.insert(key, b"10.1.1.1\nx");
            let error = read(&bad).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
