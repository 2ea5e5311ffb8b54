//! The tables `ip qubes` and `ip6 qubes`, as far as they are this program's: which addresses may
//! come from the interface of a qube, and where its DNS requests go.
//!
//! Other chains of these tables, such as `custom-input`, belong to others and are not touched.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use firewall::Family;
use netlink::{Batch, Hook, Meta, Part, SetFlags, Side, Socket, Table, Verdict, key_type};

use crate::interface::Client;
use crate::route::group;

const NAME: &str = "qubes";

/// Set of the addresses of clients.
const DOWNSTREAM: &str = "downstream";

/// Set of what may come from a client: its interface and its address.
const ALLOWED: &str = "allowed";

/// The chain of packets from clients.
const ANTISPOOF: &str = "antispoof";

/// Interfaces whose names begin so are those of clients, whatever their group is: a new one has
/// none yet.
const CLIENTS: &[u8] = b"vif";

/// Bytes of the name of an interface in a packet's data (`linux/if.h`: IFNAMSIZ).
const NAME_LEN: usize = 16;

/// The priority `raw`.
const PREROUTING: Hook = Hook {
    name: "prerouting",
    kind: "filter",
    number: 0,
    priority: -300,
    policy: Verdict::Accept,
};

/// The priority `dstnat`.
const DNAT: Hook = Hook {
    name: "dnat-dns",
    kind: "nat",
    number: 0,
    priority: -100,
    policy: Verdict::Accept,
};

/// The number of ICMPv6, and its messages that ask for a neighbour and answer (RFC 4861).
const ICMPV6: u8 = 58;
const NEIGHBOURS: [u8; 2] = [135, 136];

const UDP: u8 = 17;
const TCP: u8 = 6;
const DNS: u16 = 53;

/// Where requests to the DNS port of an address go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redirection {
    /// What a client asks.
    pub(crate) asked: IpAddr,
    /// What answers, of the same family; `None`: nothing.
    pub(crate) server: Option<IpAddr>,
}

impl Redirection {
    fn comment(&self, protocol: u8) -> String {
        let protocol = if protocol == UDP { "udp" } else { "tcp" };
        let server = self.server.map(|server| server.to_string());
        let server = server.as_deref().unwrap_or("nowhere");
        format!("{} {protocol} to {server}", self.asked)
    }
}

/// The tables, in the network namespace of this process.
#[derive(Debug)]
pub(crate) struct Tables(Socket);

impl Tables {
    pub(crate) fn open() -> io::Result<Self> {
        Socket::open(Part::Netfilter).map(Self)
    }

    /// Makes the chains that judge the source of packets, unless they are there. A new table lets
    /// nothing through that comes from a client.
    pub(crate) fn start(&mut self) -> io::Result<()> {
        let mut batch = Batch::new();
        start(&mut batch);
        self.0.commit(batch)
    }

    /// The addresses that may come from a client.
    pub(crate) fn allowed(&mut self, client: &Client) -> io::Result<BTreeSet<IpAddr>> {
        let all = self.all_allowed()?;
        let name = name_key(client);
        let own = all.into_iter().filter(|(interface, _)| *interface == name);
        Ok(own.map(|(_, address)| address).collect())
    }

    /// Lets these addresses come from a client, and no others, in one step. The tables are made if
    /// they are not there. Other interfaces are still kept from the addresses that it had.
    pub(crate) fn allow(&mut self, client: &Client, wanted: &BTreeSet<IpAddr>) -> io::Result<()> {
        let name = name_key(client);
        let own = self.allowed(client)?;
        let gone: BTreeSet<IpAddr> = own.difference(wanted).copied().collect();
        let mut batch = Batch::new();
        start(&mut batch);
        for family in Family::ALL {
            let pairs = |addresses: &BTreeSet<IpAddr>| -> Vec<Vec<u8>> {
                let addresses = of_family(family, addresses);
                addresses
                    .map(|address| [&name[..], &octets(address)].concat())
                    .collect()
            };
            let table = table(family);
            table.add_elements(&mut batch, ALLOWED, SetFlags::Named, &pairs(wanted));
            table.delete_elements(&mut batch, ALLOWED, &pairs(&gone));
            // Also what another program has permitted without saying so there.
            let kept: BTreeSet<IpAddr> = wanted.union(&gone).copied().collect();
            table.add_elements(
                &mut batch,
                DOWNSTREAM,
                SetFlags::Named,
                &keys(family, &kept),
            );
        }
        self.0.commit(batch)
    }

    /// Keeps other interfaces than those of clients from these addresses.
    pub(crate) fn keep_for_clients(&mut self, addresses: &BTreeSet<IpAddr>) -> io::Result<()> {
        let mut batch = Batch::new();
        start(&mut batch);
        for family in Family::ALL {
            let keys = keys(family, addresses);
            table(family).add_elements(&mut batch, DOWNSTREAM, SetFlags::Named, &keys);
        }
        self.0.commit(batch)
    }

    /// The addresses that are [kept for clients](Self::keep_for_clients), and that no client has.
    pub(crate) fn unused(&mut self) -> io::Result<BTreeSet<IpAddr>> {
        let used: BTreeSet<IpAddr> = self
            .all_allowed()?
            .into_iter()
            .map(|(_, address)| address)
            .collect();
        let mut kept = BTreeSet::new();
        for family in Family::ALL {
            let keys = table(family).keys(&mut self.0, DOWNSTREAM)?;
            kept.extend(keys.iter().filter_map(|key| ip(key)));
        }
        Ok(kept.difference(&used).copied().collect())
    }

    /// Keeps these addresses for clients no longer.
    pub(crate) fn give_back(&mut self, addresses: &BTreeSet<IpAddr>) -> io::Result<()> {
        let mut batch = Batch::new();
        start(&mut batch);
        for family in Family::ALL {
            let (table, keys) = (table(family), keys(family, addresses));
            // Somebody else may have taken one out: add it, so that it can be deleted.
            table.add_elements(&mut batch, DOWNSTREAM, SetFlags::Named, &keys);
            table.delete_elements(&mut batch, DOWNSTREAM, &keys);
        }
        self.0.commit(batch)
    }

    /// Sends DNS requests where they are to go; `false`: they do already.
    pub(crate) fn redirect(&mut self, wanted: &[Redirection]) -> io::Result<bool> {
        let mut batch = Batch::new();
        let mut has_changed = false;
        for family in Family::ALL {
            let table = table(family);
            let wanted: Vec<_> = wanted
                .iter()
                .filter(|redirection| Family::of(redirection.asked) == family)
                .flat_map(|redirection| [UDP, TCP].map(|protocol| (redirection, protocol)))
                .collect();
            let comments: Vec<String> = wanted
                .iter()
                .map(|(redirection, protocol)| redirection.comment(*protocol))
                .collect();
            // No chain is as good as one without rules.
            if table.comments(&mut self.0, DNAT.name)?.unwrap_or_default() == comments {
                continue;
            }
            has_changed = true;
            table.make(&mut batch);
            table.hooked_chain(&mut batch, &DNAT);
            table.flush(&mut batch, DNAT.name);
            for ((redirection, protocol), comment) in wanted.into_iter().zip(&comments) {
                table.rule_with_comment(&mut batch, DNAT.name, comment, |rule| {
                    rule.address(table.family, Side::Destination);
                    rule.equal(&octets(redirection.asked));
                    rule.meta(Meta::Protocol);
                    rule.equal(&[protocol]);
                    rule.transport(2, 2);
                    rule.equal(&DNS.to_be_bytes());
                    match redirection.server {
                        Some(server) => rule.translate_destination(table.family, &octets(server)),
                        None => rule.verdict(Verdict::Drop),
                    }
                });
            }
        }
        if has_changed {
            self.0.commit(batch)?;
        }
        Ok(has_changed)
    }

    /// Every interface, as its key begins, with each of its addresses.
    fn all_allowed(&mut self) -> io::Result<Vec<([u8; NAME_LEN], IpAddr)>> {
        let mut all = Vec::new();
        for family in Family::ALL {
            for key in table(family).keys(&mut self.0, ALLOWED)? {
                let pair = key.split_first_chunk::<NAME_LEN>();
                all.extend(pair.and_then(|(name, address)| Some((*name, ip(address)?))));
            }
        }
        Ok(all)
    }
}

fn start(batch: &mut Batch) {
    for family in Family::ALL {
        let table = table(family);
        let (address, len) = (table.family.key_type(), table.family.address_len());
        let pair = key_type::both(key_type::INTERFACE, address);
        table.make(batch);
        table.set(batch, DOWNSTREAM, SetFlags::Named, address, len);
        table.set(batch, ALLOWED, SetFlags::Named, pair, 16 + len);
        table.chain(batch, ANTISPOOF);
        table.hooked_chain(batch, &PREROUTING);
        table.flush(batch, ANTISPOOF);
        table.flush(batch, PREROUTING.name);
        table.rule(batch, PREROUTING.name, |rule| {
            rule.meta(Meta::InGroup);
            rule.equal(&group::CLIENTS.to_ne_bytes());
            rule.go_to(ANTISPOOF);
        });
        table.rule(batch, PREROUTING.name, |rule| {
            rule.meta(Meta::InInterface);
            rule.equal(CLIENTS);
            rule.go_to(ANTISPOOF);
        });
        table.rule(batch, PREROUTING.name, |rule| {
            rule.address(table.family, Side::Source);
            rule.lookup(DOWNSTREAM, None);
            rule.verdict(Verdict::Drop);
        });
        table.rule(batch, ANTISPOOF, |rule| {
            rule.meta(Meta::InInterface);
            rule.address_as_second(table.family, Side::Source);
            rule.lookup(ALLOWED, None);
            rule.verdict(Verdict::Accept);
        });
        if family == Family::V6 {
            // Neighbours find each other by addresses of the link. Which of them has the client's
            // address is said for good, so what they tell changes nothing.
            table.rule(batch, ANTISPOOF, |rule| {
                rule.meta(Meta::Protocol);
                rule.equal(&[ICMPV6]);
                rule.hop_limit();
                rule.equal(&[255]);
                rule.transport(0, 1);
                rule.between(&[NEIGHBOURS[0]], &[NEIGHBOURS[1]]);
                rule.address(table.family, Side::Source);
                let mut mask = [0; 16];
                mask[..2].copy_from_slice(&[0xff, 0xc0]);
                rule.mask(&mask);
                let mut of_link = [0; 16];
                of_link[..2].copy_from_slice(&[0xfe, 0x80]);
                rule.equal(&of_link);
                rule.verdict(Verdict::Accept);
            });
        }
        table.rule(batch, ANTISPOOF, |rule| rule.verdict(Verdict::Drop));
    }
}

fn table(family: Family) -> Table {
    let family = match family {
        Family::V4 => netlink::Family::V4,
        Family::V6 => netlink::Family::V6,
    };
    Table { family, name: NAME }
}

fn name_key(client: &Client) -> [u8; NAME_LEN] {
    let mut key = [0; NAME_LEN];
    let name = client.name().as_str().as_bytes();
    key[..name.len()].copy_from_slice(name);
    key
}

fn of_family(family: Family, addresses: &BTreeSet<IpAddr>) -> impl Iterator<Item = IpAddr> {
    let addresses = addresses.iter().copied();
    addresses.filter(move |address| Family::of(*address) == family)
}

/// The addresses of a family as keys of a set.
fn keys(family: Family, addresses: &BTreeSet<IpAddr>) -> Vec<Vec<u8>> {
    of_family(family, addresses).map(octets).collect()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}
