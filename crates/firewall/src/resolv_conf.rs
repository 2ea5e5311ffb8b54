//! The name servers of `/etc/resolv.conf`.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// The addresses behind `nameserver` at the beginning of a line. Lines that are not understood are
/// ignored: also `fe80::1%eth0`, whose address alone says nothing.
#[must_use]
pub fn name_servers(untrusted_text: &[u8]) -> BTreeSet<IpAddr> {
    name_servers_in_order(untrusted_text).into_iter().collect()
}

/// The same in the order of the file, which is that in which they are asked. One that is named twice
/// stands there twice.
#[must_use]
pub fn name_servers_in_order(untrusted_text: &[u8]) -> Vec<IpAddr> {
    untrusted_text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let mut words = std::str::from_utf8(line).ok()?.split(' ');
            let is_server = words.next() == Some("nameserver");
            let address = words.find(|word| !word.is_empty())?;
            is_server.then(|| address.trim_end().parse().ok()).flatten()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_not_understood_are_ignored() {
        let text = b"# comment\nnameserver 10.139.1.1\nnameserver   10.139.1.2 x\n\
            nameserver\t1.1.1.1\nnameserver fe80::1%eth0\nnameserver x.y.z.w\nnameserver\n\
            nameserver fd09::1\r\n\xff\noptions edns0\n nameserver 9.9.9.9\nnameservers 8.8.8.8\n\
            nameserver 10.139.1.1";
        let found: Vec<_> = name_servers(text).iter().map(IpAddr::to_string).collect();
        assert_eq!(found, ["10.139.1.1", "10.139.1.2", "fd09::1"]);
        assert_eq!(name_servers(b"").len(), 0);
    }
}
