//! The tables of the firewall as messages.

use std::collections::BTreeSet;
use std::net::IpAddr;

use firewall::nft::{CLIENT_INTERFACES, TABLE};
use firewall::{Client, Family, Line, Match, SetName, Verdict};
use netlink::{Hook, Meta, Rule, SetFlags, Side, State, Table, Verdict as Decision};

/// "Administratively prohibited", of ICMP and of ICMPv6.
const PROHIBITED_V4: u8 = 13;
const PROHIBITED_V6: u8 = 1;

const FORWARD: Hook = Hook {
    name: "forward",
    kind: "filter",
    number: 2,
    priority: 0,
    policy: Decision::Drop,
};

/// The chains that keep the addresses of connected qubes off other interfaces, with the interface
/// and the offset of the address that they look at.
const PREROUTING: Hook = Hook {
    name: "prerouting",
    kind: "filter",
    number: 0,
    priority: RAW,
    policy: Decision::Accept,
};
const POSTROUTING: Hook = Hook {
    name: "postrouting",
    number: 4,
    ..PREROUTING
};

/// The priority `raw`.
const RAW: i32 = -300;

/// The name of a set that one rule has; the kernel gives the number.
const OF_RULE: &str = "__set%d";

/// What becomes of tables that are there when the program starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tables {
    /// Their chains stay.
    Kept,
    /// They are deleted, because their chains are not those of this program.
    Anew,
}

/// Everything about one address's chain that is to be replaced.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    pub(crate) client: Client,
    /// Is the chain not there yet?
    pub(crate) is_new: bool,
    pub(crate) lines: Vec<Line>,
    /// The sets that the lines name, with their addresses of the family.
    pub(crate) sets: Vec<(SetName, Vec<IpAddr>)>,
    /// The servers of DNS; `None`: that set stays as it is.
    pub(crate) dns: Option<&'a BTreeSet<IpAddr>>,
}

/// Changes of the tables that the kernel does together.
#[derive(Debug, Default)]
pub(crate) struct Batch(netlink::Batch);

impl From<Batch> for netlink::Batch {
    fn from(batch: Batch) -> Self {
        batch.0
    }
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Makes both tables ones that let nothing through that comes from a qube.
    ///
    /// Chains that are there stay, and only their rules are replaced: where a chain of the kernel's
    /// own hooks is deleted and made again, even in one batch, a packet that is on its way passes
    /// (measured on Linux 6.18).
    ///
    /// With `keeps_connected`, the addresses of connected qubes stay as the kernel has them.
    pub(crate) fn start(&mut self, dns: &BTreeSet<IpAddr>, tables: Tables, keeps_connected: bool) {
        for family in Family::ALL {
            let table = table(family);
            table.make(&mut self.0);
            if tables == Tables::Anew {
                table.delete(&mut self.0);
                table.make(&mut self.0);
            }
            self.set(family, &SetName::Dns);
            self.replace_set(family, &SetName::Dns, dns.iter().copied());
            table.hooked_chain(&mut self.0, &FORWARD);
            table.chain(&mut self.0, "qubes-forward");
            table.hooked_chain(&mut self.0, &PREROUTING);
            table.hooked_chain(&mut self.0, &POSTROUTING);
            if keeps_connected {
                table.flush(&mut self.0, FORWARD.name);
                table.flush(&mut self.0, "qubes-forward");
            } else {
                table.flush_all(&mut self.0);
            }
            table.rule(&mut self.0, FORWARD.name, |rule| {
                rule.connection(State::KNOWN);
                rule.verdict(Decision::Accept);
            });
            table.rule(&mut self.0, FORWARD.name, |rule| {
                not_of_clients(rule, Meta::InInterface);
                rule.verdict(Decision::Accept);
            });
            table.rule(&mut self.0, FORWARD.name, |rule| rule.jump("qubes-forward"));
        }
    }

    /// Deletes the table of a family.
    pub(crate) fn end(&mut self, family: Family) {
        table(family).delete(&mut self.0);
    }

    /// Replaces the chain of an address.
    pub(crate) fn replace(&mut self, chain: &Chain<'_>) {
        let family = chain.client.family();
        let name = chain.client.chain();
        if let Some(dns) = chain.dns {
            self.replace_set(family, &SetName::Dns, dns.iter().copied());
        }
        for (set, addresses) in &chain.sets {
            self.set(family, set);
            self.replace_set(family, set, addresses.iter().copied());
        }
        let table = table(family);
        table.chain(&mut self.0, &name);
        if chain.is_new {
            table.rule(&mut self.0, "qubes-forward", |rule| {
                rule.address(table.family, Side::Source);
                rule.equal(&octets(chain.client.address()));
                rule.jump(&name);
            });
        }
        table.flush(&mut self.0, &name);
        for line in &chain.lines {
            table.rule(&mut self.0, &name, |rule| write_line(rule, family, line));
        }
    }

    /// Replaces the addresses of a set.
    pub(crate) fn replace_set(
        &mut self,
        family: Family,
        name: &SetName,
        addresses: impl Iterator<Item = IpAddr>,
    ) {
        let (table, name) = (table(family), name.to_string());
        let keys = keys(family, addresses);
        table.flush_set(&mut self.0, &name);
        table.add_elements(&mut self.0, &name, SetFlags::Named, &keys);
    }

    /// Deletes a set.
    pub(crate) fn delete_set(&mut self, family: Family, name: &SetName) {
        table(family).delete_set(&mut self.0, &name.to_string());
    }

    /// Replaces the addresses of connected qubes.
    pub(crate) fn replace_connected(&mut self, family: Family, connected: &BTreeSet<IpAddr>) {
        let table = table(family);
        let connected = keys(family, connected.iter().copied());
        // The numbers by which the rules name their sets in this batch.
        let number = table.family as u32 * 2;
        let chains = [
            (&PREROUTING, Meta::InInterface, Side::Source, number),
            (
                &POSTROUTING,
                Meta::OutInterface,
                Side::Destination,
                number + 1,
            ),
        ];
        for (hook, interface, side, set) in chains {
            table.flush(&mut self.0, hook.name);
            if connected.is_empty() {
                continue;
            }
            let flags = SetFlags::OfRule(set);
            let (key_type, len) = (table.family.key_type(), table.family.address_len());
            table.set(&mut self.0, OF_RULE, flags, key_type, len);
            table.add_elements(&mut self.0, OF_RULE, flags, &connected);
            table.rule(&mut self.0, hook.name, |rule| {
                not_of_clients(rule, interface);
                rule.address(table.family, side);
                rule.lookup(OF_RULE, Some(set));
                rule.verdict(Decision::Drop);
            });
        }
    }

    fn set(&mut self, family: Family, name: &SetName) {
        let table = table(family);
        let (key_type, len) = (table.family.key_type(), table.family.address_len());
        let name = name.to_string();
        table.set(&mut self.0, &name, SetFlags::Named, key_type, len);
    }
}

/// The interface's name does not begin as those of qubes do.
fn not_of_clients(rule: &mut Rule<'_, '_>, interface: Meta) {
    rule.meta(interface);
    // Without the NUL behind it: a prefix.
    rule.not_equal(CLIENT_INTERFACES.as_bytes());
}

fn write_line(rule: &mut Rule<'_, '_>, family: Family, line: &Line) {
    for needed in &line.matches {
        match needed {
            Match::Protocol(number) => {
                rule.meta(Meta::Protocol);
                rule.equal(&[*number]);
            }
            Match::ToNet(net) => {
                rule.address(table_family(family), Side::Destination);
                if net.prefix() < family.bits() {
                    rule.mask(&net.mask());
                }
                rule.equal(&octets(net.address()));
            }
            Match::ToSet(set) => {
                rule.address(table_family(family), Side::Destination);
                rule.lookup(&set.to_string(), None);
            }
            Match::ToPorts(ports) => {
                rule.transport(2, 2);
                let (first, last) = (ports.first().to_be_bytes(), ports.last().to_be_bytes());
                match first == last {
                    true => rule.equal(&first),
                    false => rule.between(&first, &last),
                }
            }
            Match::IcmpType(icmp_type) => {
                rule.transport(0, 1);
                rule.equal(&[*icmp_type]);
            }
        }
    }
    match line.verdict {
        Verdict::Accept => rule.verdict(Decision::Accept),
        Verdict::Reject => rule.reject(match family {
            Family::V4 => PROHIBITED_V4,
            Family::V6 => PROHIBITED_V6,
        }),
    }
}

fn table(family: Family) -> Table {
    Table {
        family: table_family(family),
        name: TABLE,
    }
}

/// The family as netfilter knows it.
pub(super) fn table_family(family: Family) -> netlink::Family {
    match family {
        Family::V4 => netlink::Family::V4,
        Family::V6 => netlink::Family::V6,
    }
}

/// The addresses of a family as keys of a set.
fn keys(family: Family, addresses: impl Iterator<Item = IpAddr>) -> Vec<Vec<u8>> {
    addresses
        .filter(|address| Family::of(*address) == family)
        .map(octets)
        .collect()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
