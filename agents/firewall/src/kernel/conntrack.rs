//! Tracked connections (`linux/netfilter/nfnetlink_conntrack.h`).

use std::net::IpAddr;

use firewall::{Client, Family, Packet};

use netlink::attributes::find;
use netlink::{NETFILTER_HEAD_LEN, Request, flag};

use super::nftables::table_family;

/// The part of netfilter that tracks connections, and its messages.
const CONNTRACK: u16 = 1 << 8;
const GET: u16 = CONNTRACK | 1;
const DELETE: u16 = CONNTRACK | 2;

// Attributes of a connection.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;

// Attributes of one direction.
const ADDRESSES: u16 = 1;
const PROTOCOL: u16 = 2;

/// A connection that a qube has opened.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The qube.
    pub(crate) client: Client,
    /// A packet of it, as the chain `forward` sees it.
    pub(crate) packet: Packet,
    // What names it.
    original: Vec<u8>,
    id: Vec<u8>,
    zone: Option<Vec<u8>>,
}

impl Connection {
    /// Asks for all connections of a family.
    pub(crate) fn all(family: Family) -> Request {
        let family = table_family(family) as u8;
        Request::to_netfilter(GET, flag::REQUEST | flag::DUMP, family, |_| {})
    }

    /// Reads a connection of a dump. `None`: it has no addresses of this family.
    pub(crate) fn read(family: Family, entry: &[u8]) -> Option<Self> {
        let attributes = entry.get(NETFILTER_HEAD_LEN..)?;
        let original = find(attributes, ORIGINAL)?;
        let (client, _) = addresses(family, original)?;
        // Where the answers come from is where the packets go to, when what was addressed has been
        // translated on the way in.
        let reply = find(attributes, REPLY)?;
        let (destination, _) = addresses(family, reply)?;
        let protocol = find(original, PROTOCOL)?;
        let first = |number| find(protocol, number)?.first().copied();
        let icmp_type = match family {
            Family::V4 => first(5),
            Family::V6 => first(8),
        };
        Some(Self {
            client: client.into(),
            packet: Packet {
                destination,
                protocol: first(1)?,
                port: find(find(reply, PROTOCOL)?, 2).and_then(port),
                icmp_type,
            },
            original: original.to_vec(),
            id: find(attributes, ID)?.to_vec(),
            zone: find(attributes, ZONE).map(<[u8]>::to_vec),
        })
    }

    /// Asks to forget it.
    pub(crate) fn delete(&self) -> Request {
        let family = table_family(self.client.family()) as u8;
        Request::to_netfilter(DELETE, flag::REQUEST | flag::ACK, family, |message| {
            message.nested_bytes(ORIGINAL, &self.original);
            // Not another one that has the same addresses and ports by now.
            message.bytes(ID, &self.id);
            if let Some(zone) = &self.zone {
                message.bytes(ZONE, zone);
            }
        })
    }
}

/// Source and destination of one direction.
fn addresses(family: Family, direction: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let both = find(direction, ADDRESSES)?;
    let numbers = match family {
        Family::V4 => (1, 2),
        Family::V6 => (3, 4),
    };
    let address = |number| match family {
        Family::V4 => <[u8; 4]>::try_from(find(both, number)?)
            .ok()
            .map(IpAddr::from),
        Family::V6 => <[u8; 16]>::try_from(find(both, number)?)
            .ok()
            .map(IpAddr::from),
    };
    Some((address(numbers.0)?, address(numbers.1)?))
}

fn port(bytes: &[u8]) -> Option<u16> {
    bytes.try_into().ok().map(u16::from_be_bytes)
}
