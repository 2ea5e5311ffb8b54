//! DNS requests of clients go to the name servers of this qube.

use std::net::IpAddr;

use program::failure::Failure;

use crate::database::Database;
use crate::files::Lock;
use crate::gateway::{self, Gateway};
use crate::tables::{Redirection, Tables};
use crate::{name_servers, programs};

/// Has anything been changed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Made,
    NotNeeded,
}

/// The command `dns`.
pub(crate) fn run() -> Result<Change, Failure> {
    // First, so that another program cannot change the keys and the redirection meanwhile.
    let _lock = Lock::take().map_err(Failure::of("cannot take the lock of the network"))?;
    let keys = Database::open()?.read(&gateway::needed())?;
    let gateway = gateway::read(&keys).map_err(|error| {
        Failure::new("cannot redirect DNS requests")
            .because(error)
            .advise("nothing was changed")
    })?;
    redirect(gateway.as_ref())
}

/// Sends the requests of clients to the name servers of this qube. A qube that provides no network
/// sends none anywhere.
pub(crate) fn redirect(gateway: Option<&Gateway>) -> Result<Change, Failure> {
    let asked = gateway.map(|gateway| &gateway.dns[..]).unwrap_or_default();
    let wanted = plan(asked, &name_servers::in_use());
    let cannot =
        "cannot redirect the DNS requests of clients (table \"qubes\", chain \"dnat-dns\")";
    let has_changed = Tables::open()
        .and_then(|mut tables| tables.redirect(&wanted))
        .map_err(Failure::of(cannot))?;
    if !has_changed {
        return Ok(Change::NotNeeded);
    }
    // Its rules name the servers.
    programs::run(
        "systemctl",
        &[
            "--no-block",
            "try-reload-or-restart",
            "qubes-firewall.service",
        ],
    );
    Ok(Change::Made)
}

/// Each address that is asked gets a server of its family, the first two in rotation.
fn plan(asked: &[IpAddr], servers: &[IpAddr]) -> Vec<Redirection> {
    let of_family = |family: bool| {
        let asked = asked
            .iter()
            .filter(move |address| address.is_ipv4() == family);
        let servers = servers
            .iter()
            .filter(move |server| server.is_ipv4() == family);
        // An address that is asked is where a server is, too: it needs none.
        let servers: Vec<_> = servers.take(2).copied().collect();
        let next = servers.into_iter().map(Some).collect::<Vec<_>>();
        asked.enumerate().map(move |(number, asked)| Redirection {
            asked: *asked,
            server: match next.len() {
                0 => None,
                len => next[number % len],
            },
        })
    };
    of_family(true).chain(of_family(false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_servers_of_a_family_are_used_in_rotation() {
        let ips = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let planned = |asked: &[&str], servers: &[&str]| -> Vec<String> {
            let plan = plan(&ips(asked), &ips(servers));
            plan.iter()
                .map(|redirection| {
                    let server = redirection.server.map(|server| server.to_string());
                    format!("{} {}", redirection.asked, server.unwrap_or_default())
                })
                .collect()
        };
        let both = &["10.139.1.1", "10.139.1.2"];
        assert_eq!(
            planned(both, &["1.1.1.1", "fd09::53", "9.9.9.9", "8.8.8.8"]),
            ["10.139.1.1 1.1.1.1", "10.139.1.2 9.9.9.9"]
        );
        assert_eq!(
            planned(both, &["1.1.1.1"]),
            ["10.139.1.1 1.1.1.1", "10.139.1.2 1.1.1.1"]
        );
        assert_eq!(planned(both, &["fd09::53"]), ["10.139.1.1 ", "10.139.1.2 "]);
        assert_eq!(
            planned(&["10.139.1.1", "fd0a::1"], &["fd09::53", "1.1.1.1"]),
            ["10.139.1.1 1.1.1.1", "fd0a::1 fd09::53"]
        );
        assert_eq!(planned(&[], &["1.1.1.1"]), [""; 0]);
    }
}
