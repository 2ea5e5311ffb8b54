//! Interfaces, addresses, neighbours and routes of this network namespace (`rtnetlink(7)`).
//!
//! The messages are those of `netlink-packet-route`, which the crate `rtnetlink` sends too. What
//! `rtnetlink` adds is an event loop with a runtime around it; this program sends ten messages, one
//! after the other, and waits for each.

use std::io;
use std::net::IpAddr;

use netlink::{Part, Request, Socket, flag};
use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload, Parseable};
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
    RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use program::failure::Failure;

use crate::interface::Name;
use crate::keys::Mac;

/// Groups of interfaces. The tables know clients by theirs.
pub(crate) mod group {
    /// What belongs to no group.
    pub(crate) const NONE: u32 = 0;
    /// The interface of this qube.
    pub(crate) const UPLINK: u32 = 1;
    /// Those of the qubes behind it.
    pub(crate) const CLIENTS: u32 = 2;
}

/// Who made a route. Routes of others are not touched.
const OURS: RouteProtocol = RouteProtocol::Static;

/// An interface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    index: u32,
    /// Its MAC address, if it has one.
    pub(crate) mac: Option<Mac>,
}

/// A route through an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Where to; `None`: everywhere.
    pub(crate) destination: Option<IpAddr>,
    /// Through which host; `None`: it is on the link.
    pub(crate) gateway: Option<IpAddr>,
    /// `None`: what the kernel takes for its family.
    pub(crate) metric: Option<u32>,
    is_v4: bool,
}

impl Route {
    /// To a host on the link.
    pub(crate) fn to_host(host: IpAddr, metric: Option<u32>) -> Self {
        Self {
            destination: Some(host),
            gateway: None,
            metric,
            is_v4: host.is_ipv4(),
        }
    }

    /// Everywhere, through this host.
    pub(crate) fn through(gateway: IpAddr) -> Self {
        Self {
            destination: None,
            gateway: Some(gateway),
            metric: None,
            is_v4: gateway.is_ipv4(),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        // The kernel gives a metric to a route of IPv6 that has none.
        (self.destination, self.gateway, self.is_v4)
            == (other.destination, other.gateway, other.is_v4)
    }
}

/// The part of the kernel that has them.
#[derive(Debug)]
pub(crate) struct Links(Socket);

impl Links {
    pub(crate) fn open() -> io::Result<Self> {
        Socket::open(Part::Route).map(Self)
    }

    /// The interface of this name.
    pub(crate) fn find(&mut self, name: &str) -> io::Result<Option<Link>> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let found = self.dump(request, |entry| {
            let message = LinkMessage::parse(entry).ok()?;
            let is_it = |attribute: &LinkAttribute| matches!(attribute, LinkAttribute::IfName(this) if this == name);
            if !message.attributes.iter().any(is_it) {
                return None;
            }
            let mac = message.attributes.iter().find_map(|attribute| match attribute {
                LinkAttribute::Address(bytes) => bytes.as_slice().try_into().ok().map(Mac),
                _ => None,
            });
            let index = message.header.index;
            Some(Link { index, mac })
        })?;
        Ok(found.into_iter().next())
    }

    /// Puts an interface in a group.
    pub(crate) fn set_group(&mut self, link: Link, group: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = link.index;
        message.attributes = vec![LinkAttribute::Group(group)];
        self.ask(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Switches it on or off.
    pub(crate) fn set_up(&mut self, link: Link, is_up: bool) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = link.index;
        message.header.change_mask = LinkFlags::Up;
        if is_up {
            message.header.flags = LinkFlags::Up;
        }
        self.ask(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Gives it an address.
    pub(crate) fn add_address(
        &mut self,
        link: Link,
        address: IpAddr,
        prefix: u8,
    ) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = family(address);
        message.header.prefix_len = prefix;
        message.header.index = link.index;
        // Nobody else can have it, and it is to be there at once.
        message.header.flags = AddressHeaderFlags::Nodad;
        message.attributes = vec![
            AddressAttribute::Local(address),
            AddressAttribute::Address(address),
        ];
        let flags = flag::CREATE | flag::REPLACE;
        self.ask(RouteNetlinkMessage::NewAddress(message), flags)
    }

    /// Takes away its addresses, but these and those that the kernel makes itself.
    pub(crate) fn keep_addresses(&mut self, link: Link, kept: &[(IpAddr, u8)]) -> io::Result<()> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let others = self.dump(request, |entry| {
            let message = AddressMessage::parse(entry).ok()?;
            let header = &message.header;
            let is_ours = header.index == link.index
                && header.scope == AddressScope::Universe
                && header.flags.contains(AddressHeaderFlags::Permanent);
            let local = |attribute: &AddressAttribute| match attribute {
                AddressAttribute::Local(address) => Some(*address),
                _ => None,
            };
            let of_prefix = |attribute: &AddressAttribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            };
            let attributes = &message.attributes;
            let address = attributes.iter().find_map(local);
            let address = address.or_else(|| attributes.iter().find_map(of_prefix))?;
            let other = (address, header.prefix_len);
            (is_ours && !kept.contains(&other)).then_some(other)
        })?;
        for (address, prefix) in others {
            let mut message = AddressMessage::default();
            message.header.family = family(address);
            message.header.prefix_len = prefix;
            message.header.index = link.index;
            message.attributes = vec![AddressAttribute::Local(address)];
            gone(self.ask(RouteNetlinkMessage::DelAddress(message), 0))?;
        }
        Ok(())
    }

    /// Says for good which MAC address a neighbour has.
    pub(crate) fn add_neighbour(
        &mut self,
        link: Link,
        address: IpAddr,
        mac: Mac,
    ) -> io::Result<()> {
        let mut message = NeighbourMessage::default();
        message.header.family = family(address);
        message.header.ifindex = link.index;
        message.header.state = NeighbourState::Permanent;
        message.header.kind = RouteType::Unicast;
        message.attributes = vec![
            NeighbourAttribute::Destination(neighbour(address)),
            NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()),
        ];
        let flags = flag::CREATE | flag::REPLACE;
        self.ask(RouteNetlinkMessage::NewNeighbour(message), flags)
    }

    /// Forgets its neighbours that were said for good, but these.
    pub(crate) fn keep_neighbours(&mut self, link: Link, kept: &[IpAddr]) -> io::Result<()> {
        let kept: Vec<NeighbourAddress> = kept.iter().map(|address| neighbour(*address)).collect();
        let request = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
        let others = self.dump(request, |entry| {
            let message = NeighbourMessage::parse(entry).ok()?;
            let header = &message.header;
            let is_ours = header.ifindex == link.index && header.state == NeighbourState::Permanent;
            let destination = message
                .attributes
                .iter()
                .find_map(|attribute| match attribute {
                    NeighbourAttribute::Destination(address) => Some(address.clone()),
                    _ => None,
                })?;
            (is_ours && !kept.contains(&destination)).then_some((header.family, destination))
        })?;
        for (family, destination) in others {
            let mut message = NeighbourMessage::default();
            message.header.family = family;
            message.header.ifindex = link.index;
            message.attributes = vec![NeighbourAttribute::Destination(destination)];
            gone(self.ask(RouteNetlinkMessage::DelNeighbour(message), 0))?;
        }
        Ok(())
    }

    /// Makes a route through an interface, in the place of one with the same destination and metric.
    pub(crate) fn add_route(&mut self, link: Link, route: &Route) -> io::Result<()> {
        let message = route_message(link, route);
        let flags = flag::CREATE | flag::REPLACE;
        self.ask(RouteNetlinkMessage::NewRoute(message), flags)
    }

    /// Deletes the routes through it that this program made, but these.
    pub(crate) fn keep_routes(&mut self, link: Link, kept: &[Route]) -> io::Result<()> {
        let request = RouteNetlinkMessage::GetRoute(RouteMessage::default());
        let others = self.dump(request, |entry| {
            let route = ours(link, &RouteMessage::parse(entry).ok()?)?;
            (!kept.iter().any(|kept| kept.is_same(&route))).then_some(route)
        })?;
        for route in others {
            let mut message = route_message(link, &route);
            message.header.flags = RouteFlags::empty();
            gone(self.ask(RouteNetlinkMessage::DelRoute(message), 0))?;
        }
        Ok(())
    }

    /// Switches an interface off, and takes away the routes, neighbours and addresses that this
    /// program gives. `None`: there is no such interface, and what it had went with it.
    pub(crate) fn take_down(&mut self, name: &Name) -> Result<Option<Link>, Failure> {
        let cannot = |step: &str| Failure::of(format!("cannot {step} \"{name}\""));
        let Some(link) = self.find(name.as_str()).map_err(cannot("find"))? else {
            return Ok(None);
        };
        self.set_up(link, false).map_err(cannot("switch off"))?;
        self.keep_routes(link, &[])
            .map_err(cannot("delete the routes of"))?;
        self.keep_neighbours(link, &[])
            .map_err(cannot("forget the neighbours of"))?;
        self.keep_addresses(link, &[])
            .map_err(cannot("remove the addresses of"))?;
        Ok(Some(link))
    }

    fn ask(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.0
            .ask(&request(message, flag::REQUEST | flag::ACK | flags))
    }

    fn dump<T>(
        &mut self,
        message: RouteNetlinkMessage,
        read: impl FnMut(&[u8]) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        self.0
            .dump(&request(message, flag::REQUEST | flag::DUMP), read)
    }
}

fn request(message: RouteNetlinkMessage, flags: u16) -> Request {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    Request::from_bytes(bytes)
}

fn route_message(link: Link, route: &Route) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = match route.is_v4 {
        true => AddressFamily::Inet,
        false => AddressFamily::Inet6,
    };
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = OURS;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![RouteAttribute::Oif(link.index)];
    match route.gateway {
        Some(gateway) => {
            // It may be in no network of the interface.
            message.header.flags = RouteFlags::Onlink;
            message
                .attributes
                .push(RouteAttribute::Gateway(gateway.into()));
        }
        // The kernel takes no other scope for IPv4, and none for IPv6.
        None if route.is_v4 => message.header.scope = RouteScope::Link,
        None => {}
    }
    if let Some(destination) = route.destination {
        message.header.destination_prefix_length = if route.is_v4 { 32 } else { 128 };
        message
            .attributes
            .push(RouteAttribute::Destination(destination.into()));
    }
    if let Some(metric) = route.metric {
        message.attributes.push(RouteAttribute::Priority(metric));
    }
    message
}

/// The route, if this program made it, and through this interface.
fn ours(link: Link, message: &RouteMessage) -> Option<Route> {
    let mut route = Route {
        destination: None,
        gateway: None,
        metric: None,
        is_v4: message.header.address_family == AddressFamily::Inet,
    };
    let mut is_through = false;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => is_through = *index == link.index,
            RouteAttribute::Destination(address) => route.destination = ip(address),
            RouteAttribute::Gateway(address) => route.gateway = ip(address),
            RouteAttribute::Priority(metric) => route.metric = Some(*metric),
            _ => {}
        }
    }
    let is_ours = message.header.table == RouteHeader::RT_TABLE_MAIN
        && message.header.protocol == OURS
        && is_through;
    is_ours.then_some(route)
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn neighbour(address: IpAddr) -> NeighbourAddress {
    match address {
        IpAddr::V4(address) => NeighbourAddress::Inet(address),
        IpAddr::V6(address) => NeighbourAddress::Inet6(address),
    }
}

/// That something is not there any more is what was wanted.
fn gone(deleted: io::Result<()>) -> io::Result<()> {
    use rustix::io::Errno;
    match deleted.as_ref().map_err(Errno::from_io_error) {
        Err(Some(Errno::NOENT | Errno::SRCH | Errno::ADDRNOTAVAIL)) => Ok(()),
        _ => deleted,
    }
}
