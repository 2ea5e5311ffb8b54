//! The name servers of a qube, as `resolv.conf(5)` names them.

use std::net::IpAddr;

/// Where programs look for name servers.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Where systemd-resolved writes the servers that it asks (`systemd-resolved.service(8)`). The other
/// file names only itself then.
const OF_RESOLVED: &str = "/run/systemd/resolve/resolv.conf";

/// The addresses behind `nameserver` at the beginning of a line, in the order of the file, which is
/// that in which they are asked. One that is named twice stands there twice. Lines that are not
/// understood are ignored: also `fe80::1%eth0`, whose address alone says nothing.
#[must_use]
pub fn name_servers(untrusted_text: &[u8]) -> Vec<IpAddr> {
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

/// The servers that this qube asks, in order; `read` gives what is in a file, and nothing for one
/// that cannot be read.
///
/// Where all of them are this qube itself, those that systemd-resolved asks come after them.
/// Otherwise the file of systemd-resolved may be one that it left behind.
#[must_use]
pub fn name_servers_in_use(read: impl Fn(&str) -> Vec<u8>) -> Vec<IpAddr> {
    let mut servers = name_servers(&read(RESOLV_CONF));
    if servers.iter().all(IpAddr::is_loopback) {
        servers.extend(name_servers(&read(OF_RESOLVED)));
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(servers: &[IpAddr]) -> Vec<String> {
        servers.iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn lines_that_are_not_understood_are_ignored() {
        let text = b"# comment\nnameserver 10.139.1.2\nnameserver   10.139.1.1 x\n\
            nameserver\t1.1.1.1\nnameserver fe80::1%eth0\nnameserver x.y.z.w\nnameserver\n\
            nameserver fd09::1\r\n\xff\noptions edns0\n nameserver 9.9.9.9\nnameservers 8.8.8.8\n\
            nameserver 10.139.1.2";
        assert_eq!(
            shown(&name_servers(text)),
            ["10.139.1.2", "10.139.1.1", "fd09::1", "10.139.1.2"]
        );
        assert_eq!(name_servers(b"").len(), 0);
    }

    #[test]
    fn those_of_resolved_count_where_the_qube_asks_only_itself() {
        for (own, of_resolved, used) in [
            ("127.0.0.53", "192.0.2.2", &["127.0.0.53", "192.0.2.2"][..]),
            ("::1", "127.0.0.1", &["::1", "127.0.0.1"]),
            ("", "192.0.2.2", &["192.0.2.2"]),
            ("192.0.2.1", "192.0.2.2", &["192.0.2.1"]),
            (
                "127.0.0.1\nnameserver 192.0.2.1",
                "192.0.2.2",
                &["127.0.0.1", "192.0.2.1"],
            ),
            ("", "", &[]),
        ] {
            let in_use = name_servers_in_use(|file| {
                let servers = if file == RESOLV_CONF {
                    own
                } else {
                    of_resolved
                };
                format!("nameserver {servers}\n").into_bytes()
            });
            assert_eq!(shown(&in_use), used);
        }
    }
}
