//! Tables, chains, sets and rules as messages (`linux/netfilter/nf_tables.h`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use firewall::nft::{CLIENT_INTERFACES, TABLE};
use firewall::{Client, Family, Line, Match, SetName, Verdict};

use super::attributes::Attributes;
use super::message::{Batch, flag};

// Types of messages.
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const DELETE_RULE: u16 = 8;
const NEW_SET: u16 = 9;
const DELETE_SET: u16 = 11;
const NEW_ELEMENTS: u16 = 12;
const DELETE_ELEMENTS: u16 = 14;

/// In every list: an entry.
const LIST_ENTRY: u16 = 1;

/// Names in messages: of the table, and of what is in it.
const IN_TABLE: u16 = 1;

/// The register that a packet's fields are loaded into. The one of verdicts is 0.
const REGISTER: u32 = 1;
const VERDICT_REGISTER: u32 = 0;

// Beginnings of headers, as the payload expression counts them.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

// Keys of the meta expression.
const META_IN_INTERFACE: u32 = 6;
const META_OUT_INTERFACE: u32 = 7;
const META_PROTOCOL: u32 = 16;

// Comparisons.
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;

/// `established` (2) and `related` (4), bits of `ct state`.
const KNOWN_CONNECTION: u32 = 2 | 4;

// Verdicts (`linux/netfilter.h`).
const DROP: i32 = 0;
const ACCEPT: i32 = 1;
const JUMP: i32 = -3;

/// Flags of a set without a name of its own, which a rule holds.
const ANONYMOUS_CONSTANT: u32 = 1 | 2;

/// Entries of one message; its list must stay below 64 KiB.
const ELEMENTS_AT_ONCE: usize = 1000;

/// "Administratively prohibited", of ICMP and of ICMPv6.
const PROHIBITED_V4: u8 = 13;
const PROHIBITED_V6: u8 = 1;

/// The number in its batch of a set that has a name; nothing asks for a set by it.
const NAMED: u32 = u32::MAX;

/// A chain that the kernel starts itself.
struct Hook {
    name: &'static str,
    number: u32,
    priority: i32,
    policy: i32,
}

const FORWARD: Hook = Hook {
    name: "forward",
    number: 2,
    priority: 0,
    policy: DROP,
};

/// The chains that keep the addresses of connected qubes off other interfaces, with the interface
/// and the offset of the address that they look at.
const PREROUTING: Hook = Hook {
    name: "prerouting",
    number: 0,
    priority: RAW,
    policy: ACCEPT,
};
const POSTROUTING: Hook = Hook {
    name: "postrouting",
    number: 4,
    ..PREROUTING
};

/// The priority `raw`.
const RAW: i32 = -300;

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

impl Batch {
    /// Makes both tables ones that let nothing through that comes from a qube.
    ///
    /// Chains that are there stay, and only their rules are replaced: where a chain of the kernel's
    /// own hooks is deleted and made again, even in one batch, a packet that is on its way passes
    /// (measured on Linux 6.18).
    pub(crate) fn start(&mut self, dns: &BTreeSet<IpAddr>, tables: Tables) {
        for family in Family::ALL {
            self.table(family, NEW_TABLE, flag::CREATE);
            if tables == Tables::Anew {
                self.table(family, DELETE_TABLE, 0);
                self.table(family, NEW_TABLE, flag::CREATE);
            }
            self.set(family, &SetName::Dns);
            self.replace_set(family, &SetName::Dns, dns.iter().copied());
            self.hooked_chain(family, &FORWARD);
            self.chain(family, "qubes-forward");
            self.hooked_chain(family, &PREROUTING);
            self.hooked_chain(family, &POSTROUTING);
            self.flush_all(family);
            self.rule(family, FORWARD.name, |rule| {
                rule.known_connection();
                rule.verdict(ACCEPT);
            });
            self.rule(family, FORWARD.name, |rule| {
                rule.not_of_clients(META_IN_INTERFACE);
                rule.verdict(ACCEPT);
            });
            self.rule(family, FORWARD.name, |rule| rule.jump("qubes-forward"));
        }
    }

    /// Deletes the table of a family.
    pub(crate) fn end(&mut self, family: Family) {
        self.table(family, DELETE_TABLE, 0);
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
        self.chain(family, &name);
        if chain.is_new {
            self.rule(family, "qubes-forward", |rule| {
                rule.address(family, Side::Source);
                rule.equal(&octets(chain.client.address()));
                rule.jump(&name);
            });
        }
        self.flush(family, &name);
        for line in &chain.lines {
            self.rule(family, &name, |rule| rule.line(family, line));
        }
    }

    /// Replaces the addresses of a set.
    pub(crate) fn replace_set(
        &mut self,
        family: Family,
        name: &SetName,
        addresses: impl Iterator<Item = IpAddr>,
    ) {
        self.add(DELETE_ELEMENTS, 0, number_of(family), |message| {
            message.text(IN_TABLE, TABLE);
            message.text(2, &name.to_string());
        });
        self.elements(family, name, addresses);
    }

    /// Deletes a set.
    pub(crate) fn delete_set(&mut self, family: Family, name: &SetName) {
        self.add(DELETE_SET, 0, number_of(family), |message| {
            message.text(IN_TABLE, TABLE);
            message.text(2, &name.to_string());
        });
    }

    /// Replaces the addresses of connected qubes.
    pub(crate) fn replace_connected(&mut self, family: Family, connected: &BTreeSet<IpAddr>) {
        let connected: Vec<IpAddr> = connected
            .iter()
            .copied()
            .filter(|address| Family::of(*address) == family)
            .collect();
        // The numbers by which the rules name their sets in this batch.
        let number = u32::from(number_of(family)) * 2;
        let chains = [
            (&PREROUTING, META_IN_INTERFACE, Side::Source, number),
            (
                &POSTROUTING,
                META_OUT_INTERFACE,
                Side::Destination,
                number + 1,
            ),
        ];
        for (hook, interface, side, set) in chains {
            self.flush(family, hook.name);
            if connected.is_empty() {
                continue;
            }
            self.new_set(family, "__set%d", ANONYMOUS_CONSTANT, set);
            self.add_elements(family, "__set%d", Some(set), connected.iter().copied());
            self.rule(family, hook.name, |rule| {
                rule.not_of_clients(interface);
                rule.address(family, side);
                rule.lookup("__set%d", Some(set));
                rule.verdict(DROP);
            });
        }
    }

    fn table(&mut self, family: Family, kind: u16, flags: u16) {
        self.add(kind, flags, number_of(family), |message| {
            message.text(IN_TABLE, TABLE);
        });
    }

    fn chain(&mut self, family: Family, name: &str) {
        self.add(NEW_CHAIN, flag::CREATE, number_of(family), |message| {
            message.text(IN_TABLE, TABLE);
            message.text(3, name);
        });
    }

    fn hooked_chain(&mut self, family: Family, hook: &Hook) {
        self.add(NEW_CHAIN, flag::CREATE, number_of(family), |message| {
            message.text(IN_TABLE, TABLE);
            message.text(3, hook.name);
            message.nested(4, |at| {
                at.u32(1, hook.number);
                at.bytes(2, &hook.priority.to_be_bytes());
            });
            message.bytes(5, &hook.policy.to_be_bytes());
            message.text(7, "filter");
        });
    }

    fn flush(&mut self, family: Family, chain: &str) {
        self.add(DELETE_RULE, 0, number_of(family), |message| {
            message.text(IN_TABLE, TABLE);
            message.text(2, chain);
        });
    }

    /// Deletes the rules of all chains.
    fn flush_all(&mut self, family: Family) {
        self.add(DELETE_RULE, 0, number_of(family), |message| {
            message.text(IN_TABLE, TABLE);
        });
    }

    fn set(&mut self, family: Family, name: &SetName) {
        self.new_set(family, &name.to_string(), 0, NAMED);
    }

    fn new_set(&mut self, family: Family, name: &str, flags: u32, number: u32) {
        self.add(NEW_SET, flag::CREATE, number_of(family), |message| {
            // nft's numbers of its types ipv4_addr and ipv6_addr, by which it shows the elements.
            let key_type = match family {
                Family::V4 => 7,
                Family::V6 => 8,
            };
            message.text(IN_TABLE, TABLE);
            message.text(2, name);
            message.u32(3, flags);
            message.u32(4, key_type);
            message.u32(5, u32::from(family.bits() / 8));
            message.u32(10, number);
        });
    }

    fn elements(
        &mut self,
        family: Family,
        name: &SetName,
        addresses: impl Iterator<Item = IpAddr>,
    ) {
        self.add_elements(family, &name.to_string(), None, addresses);
    }

    fn add_elements(
        &mut self,
        family: Family,
        name: &str,
        number: Option<u32>,
        addresses: impl Iterator<Item = IpAddr>,
    ) {
        let of_family: Vec<IpAddr> = addresses
            .filter(|address| Family::of(*address) == family)
            .collect();
        for some in of_family.chunks(ELEMENTS_AT_ONCE) {
            self.add(NEW_ELEMENTS, flag::CREATE, number_of(family), |message| {
                message.text(IN_TABLE, TABLE);
                message.text(2, name);
                message.nested(3, |list| {
                    for address in some {
                        list.nested(LIST_ENTRY, |element| {
                            element.nested(1, |key| key.bytes(1, &octets(*address)));
                        });
                    }
                });
                if let Some(number) = number {
                    message.u32(4, number);
                }
            });
        }
    }

    fn rule(&mut self, family: Family, chain: &str, write: impl FnOnce(&mut RuleWriter<'_, '_>)) {
        let flags = flag::CREATE | flag::APPEND;
        self.add(NEW_RULE, flags, number_of(family), |message| {
            message.text(IN_TABLE, TABLE);
            message.text(2, chain);
            message.nested(4, |expressions| write(&mut RuleWriter { expressions }));
        });
    }
}

#[derive(Clone, Copy)]
enum Side {
    Source,
    Destination,
}

/// The expressions of a rule: each loads a field, or compares it, or decides.
struct RuleWriter<'a, 'b> {
    expressions: &'a mut Attributes<'b>,
}

impl RuleWriter<'_, '_> {
    fn line(&mut self, family: Family, line: &Line) {
        for needed in &line.matches {
            match needed {
                Match::Protocol(number) => {
                    self.meta(META_PROTOCOL);
                    self.equal(&[*number]);
                }
                Match::ToNet(net) => {
                    self.address(family, Side::Destination);
                    if net.prefix() < family.bits() {
                        self.mask(&net.mask());
                    }
                    self.equal(&octets(net.address()));
                }
                Match::ToSet(set) => {
                    self.address(family, Side::Destination);
                    self.lookup(&set.to_string(), None);
                }
                Match::ToPorts(ports) => {
                    self.payload(TRANSPORT, 2, 2);
                    match ports.first() == ports.last() {
                        true => self.equal(&ports.first().to_be_bytes()),
                        false => self.between(ports.first(), ports.last()),
                    }
                }
                Match::IcmpType(icmp_type) => {
                    self.payload(TRANSPORT, 0, 1);
                    self.equal(&[*icmp_type]);
                }
            }
        }
        match line.verdict {
            Verdict::Accept => self.verdict(ACCEPT),
            Verdict::Reject => self.reject(family),
        }
    }

    fn expression(&mut self, name: &str, write: impl FnOnce(&mut Attributes<'_>)) {
        self.expressions.nested(LIST_ENTRY, |expression| {
            expression.text(1, name);
            expression.nested(2, write);
        });
    }

    fn meta(&mut self, key: u32) {
        self.expression("meta", |meta| {
            meta.u32(1, REGISTER);
            meta.u32(2, key);
        });
    }

    fn payload(&mut self, base: u32, offset: u32, len: u32) {
        self.expression("payload", |payload| {
            payload.u32(1, REGISTER);
            payload.u32(2, base);
            payload.u32(3, offset);
            payload.u32(4, len);
        });
    }

    /// The source or destination address (RFC 791, RFC 8200).
    fn address(&mut self, family: Family, side: Side) {
        let offset = match (family, side) {
            (Family::V4, Side::Source) => 12,
            (Family::V4, Side::Destination) => 16,
            (Family::V6, Side::Source) => 8,
            (Family::V6, Side::Destination) => 24,
        };
        self.payload(NETWORK, offset, u32::from(family.bits() / 8));
    }

    fn mask(&mut self, mask: &[u8]) {
        let len = u32::try_from(mask.len()).unwrap_or(0);
        self.expression("bitwise", |bitwise| {
            bitwise.u32(1, REGISTER);
            bitwise.u32(2, REGISTER);
            bitwise.u32(3, len);
            bitwise.nested(4, |value| value.bytes(1, mask));
            bitwise.nested(5, |value| value.bytes(1, &vec![0; mask.len()]));
        });
    }

    fn compare(&mut self, how: u32, value: &[u8]) {
        self.expression("cmp", |cmp| {
            cmp.u32(1, REGISTER);
            cmp.u32(2, how);
            cmp.nested(3, |data| data.bytes(1, value));
        });
    }

    fn equal(&mut self, value: &[u8]) {
        self.compare(EQUAL, value);
    }

    fn between(&mut self, first: u16, last: u16) {
        self.expression("range", |range| {
            range.u32(1, REGISTER);
            range.u32(2, EQUAL);
            range.nested(3, |data| data.bytes(1, &first.to_be_bytes()));
            range.nested(4, |data| data.bytes(1, &last.to_be_bytes()));
        });
    }

    fn lookup(&mut self, set: &str, number: Option<u32>) {
        self.expression("lookup", |lookup| {
            lookup.text(1, set);
            lookup.u32(2, REGISTER);
            if let Some(number) = number {
                lookup.u32(4, number);
            }
        });
    }

    /// The interface's name does not begin as those of qubes do.
    fn not_of_clients(&mut self, key: u32) {
        self.meta(key);
        // Without the NUL behind it: a prefix.
        self.compare(NOT_EQUAL, CLIENT_INTERFACES.as_bytes());
    }

    fn known_connection(&mut self) {
        self.expression("ct", |ct| {
            ct.u32(1, REGISTER);
            // The key `state`.
            ct.u32(2, 0);
        });
        self.mask(&KNOWN_CONNECTION.to_ne_bytes());
        self.compare(NOT_EQUAL, &[0; 4]);
    }

    fn verdict(&mut self, code: i32) {
        self.decide(code, None);
    }

    fn jump(&mut self, chain: &str) {
        self.decide(JUMP, Some(chain));
    }

    fn decide(&mut self, code: i32, chain: Option<&str>) {
        self.expression("immediate", |immediate| {
            immediate.u32(1, VERDICT_REGISTER);
            immediate.nested(2, |data| {
                data.nested(2, |verdict| {
                    verdict.bytes(1, &code.to_be_bytes());
                    if let Some(chain) = chain {
                        verdict.text(2, chain);
                    }
                });
            });
        });
    }

    fn reject(&mut self, family: Family) {
        let code = match family {
            Family::V4 => PROHIBITED_V4,
            Family::V6 => PROHIBITED_V6,
        };
        self.expression("reject", |reject| {
            // An ICMP message: "unreachable".
            reject.u32(1, 0);
            reject.bytes(2, &[code]);
        });
    }
}

/// The number of the family (`linux/netfilter.h`: NFPROTO_IPV4, NFPROTO_IPV6).
pub(super) fn number_of(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
