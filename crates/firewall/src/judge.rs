//! The judge: what the rules say about one packet. A tracked connection is judged by its packets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::line::{Match, SetName, Verdict};
use crate::policy::Policy;

/// What the rules look at in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Where it goes, as the chain `forward` sees it.
    pub destination: IpAddr,
    /// The number of its protocol.
    pub protocol: u8,
    /// The port it goes to, of TCP and UDP.
    pub port: Option<u16>,
    /// The type of an ICMP or ICMPv6 message.
    pub icmp_type: Option<u8>,
}

/// The addresses in the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownAddresses {
    /// In `dns-addr`, of both families.
    pub dns: BTreeSet<IpAddr>,
    /// Of each name, of both families.
    pub hosts: BTreeMap<crate::HostName, BTreeSet<IpAddr>>,
}

impl KnownAddresses {
    fn has(&self, set: &SetName, address: IpAddr) -> bool {
        match set {
            SetName::Dns => self.dns.contains(&address),
            SetName::Host(name) => {
                let known = self.hosts.get(name);
                known.is_some_and(|known| known.contains(&address))
            }
        }
    }
}

/// What happens to a packet from an address with this policy: the first line that matches decides,
/// and the last one matches everything.
#[must_use]
pub fn verdict(policy: &Policy, packet: &Packet, known: &KnownAddresses) -> Verdict {
    let matching = policy.lines().find(|line| {
        let mut matches = line.matches.iter();
        matches.all(|needed| has(packet, needed, known))
    });
    matching.map_or(Verdict::Reject, |line| line.verdict)
}

fn has(packet: &Packet, needed: &Match, known: &KnownAddresses) -> bool {
    match needed {
        Match::Protocol(protocol) => packet.protocol == *protocol,
        Match::ToNet(net) => net.contains(packet.destination),
        Match::ToSet(set) => known.has(set, packet.destination),
        Match::ToPorts(ports) => packet.port.is_some_and(|port| ports.contains(port)),
        Match::IcmpType(icmp_type) => packet.icmp_type == Some(*icmp_type),
    }
}
