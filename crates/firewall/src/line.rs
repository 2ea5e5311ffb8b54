//! The lines of a chain: what the kernel matches, one after the other, and what follows.
//!
//! A rule becomes no line, one, or two. The judge, the text of nft and the messages to the kernel
//! are all made from these lines, so that they cannot differ in what a rule means.

use std::fmt;

use crate::address::Family;
use crate::host_name::HostName;
use crate::net::Net;
use crate::rule::{Action, Destination, Ports, Protocol, Rule};

/// The number of TCP (IANA).
pub(crate) const TCP: u8 = 6;

/// The number of UDP (IANA).
pub(crate) const UDP: u8 = 17;

/// The port of DNS.
const DNS: u16 = 53;

/// A set of addresses in the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetName {
    /// The DNS servers of this qube: `dns-addr`.
    Dns,
    /// What a name stands for: `h-NAME`.
    Host(HostName),
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns => f.write_str("dns-addr"),
            Self::Host(name) => write!(f, "h-{name}"),
        }
    }
}

/// Something that a packet must have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// This protocol, by its number, behind whatever extension headers.
    Protocol(u8),
    /// A destination in this network, which has at least one bit.
    ToNet(Net),
    /// A destination in this set.
    ToSet(SetName),
    /// A destination port in this range.
    ToPorts(Ports),
    /// This type of ICMP.
    IcmpType(u8),
}

/// What follows when a packet has all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It passes.
    Accept,
    /// It is rejected: the sender is told "administratively prohibited".
    Reject,
}

impl From<Action> for Verdict {
    fn from(action: Action) -> Self {
        match action {
            Action::Accept => Self::Accept,
            Action::Drop => Self::Reject,
        }
    }
}

/// One line of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// Everything that a packet must have.
    pub matches: Vec<Match>,
    /// What follows.
    pub verdict: Verdict,
}

impl Line {
    /// The line that rejects everything: the whole chain of an address that is blocked.
    #[must_use]
    pub fn reject_all() -> Self {
        Self::last(Action::Drop)
    }

    /// The last line: the policy.
    pub(crate) fn last(policy: Action) -> Self {
        Self {
            matches: Vec::new(),
            verdict: policy.into(),
        }
    }
}

impl Rule {
    /// The lines of this rule in the chain of an address of this family.
    #[must_use]
    pub fn lines(&self, family: Family) -> Vec<Line> {
        let transports: Vec<Vec<Match>> = match (self.protocol(), self.is_to_dns()) {
            (protocol, true) => to_dns(protocol),
            (None, false) => vec![Vec::new()],
            (Some(Protocol::Tcp(ports)), false) => vec![ports_of(TCP, ports)],
            (Some(Protocol::Udp(ports)), false) => vec![ports_of(UDP, ports)],
            (Some(Protocol::Icmp(icmp_type)), false) => {
                let of_type = icmp_type.map(Match::IcmpType);
                vec![
                    [Match::Protocol(family.icmp())]
                        .into_iter()
                        .chain(of_type)
                        .collect(),
                ]
            }
        };
        let destination = match self.destination() {
            Some(Destination::Net(net)) if net.prefix() > 0 => Some(Match::ToNet(*net)),
            // Every address of the family.
            Some(Destination::Net(_)) | None => None,
            Some(Destination::Host(name)) => Some(Match::ToSet(SetName::Host(name.clone()))),
        };
        let is_to_dns = self.is_to_dns().then_some(Match::ToSet(SetName::Dns));
        transports
            .into_iter()
            .map(|transport| Line {
                matches: destination
                    .iter()
                    .chain(&is_to_dns)
                    .cloned()
                    .chain(transport)
                    .collect(),
                verdict: self.action().into(),
            })
            .collect()
    }
}

/// What a packet to the port of DNS has; empty: nothing goes there by this protocol and these ports.
fn to_dns(protocol: Option<Protocol>) -> Vec<Vec<Match>> {
    let port = Ports::new(DNS, DNS);
    let includes = |ports: Option<Ports>| ports.is_none_or(|ports| ports.contains(DNS));
    match protocol {
        None => vec![ports_of(TCP, port), ports_of(UDP, port)],
        Some(Protocol::Tcp(ports)) if includes(ports) => vec![ports_of(TCP, port)],
        Some(Protocol::Udp(ports)) if includes(ports) => vec![ports_of(UDP, port)],
        Some(_) => Vec::new(),
    }
}

fn ports_of(protocol: u8, ports: Option<Ports>) -> Vec<Match> {
    let ports = ports.map(Match::ToPorts);
    [Match::Protocol(protocol)]
        .into_iter()
        .chain(ports)
        .collect()
}
