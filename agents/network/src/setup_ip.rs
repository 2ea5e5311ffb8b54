//! The interface of this qube: `setup-ip`.

use std::net::IpAddr;

use program::failure::Failure;
use program::services;

use crate::database::Database;
use crate::files::Lock;
use crate::interface::Name;
use crate::keys::Mac;
use crate::programs::say_line;
use crate::route::{Link, Links, Route, group};
use crate::uplink::{self, Uplink};
use crate::{gateway, hook, name_servers, network_manager, redirect};

/// Sets an interface up as QubesDB says. Every key is judged first; a wrong one leaves everything as
/// it was.
pub(crate) fn add(interface: &Name) -> Result<(), Failure> {
    let cannot = |step: &str| Failure::of(format!("cannot {step} \"{interface}\""));
    let lock = Lock::take().map_err(cannot("take the lock for"))?;
    let mut links = Links::open().map_err(cannot("reach the kernel about"))?;
    let link = links.find(interface.as_str()).map_err(cannot("find"))?;
    let link =
        link.ok_or_else(|| Failure::new(format_args!("there is no interface \"{interface}\"")))?;
    let mac = link.mac.ok_or_else(|| {
        Failure::new(format_args!(
            "the interface \"{interface}\" has no MAC address"
        ))
    })?;
    let mut keys_needed = uplink::needed(mac);
    keys_needed.extend(gateway::needed());
    let keys = Database::open()?.read(&keys_needed)?;
    let not_understood = |error| {
        Failure::new(format_args!("cannot set up \"{interface}\""))
            .because(error)
            .advise("nothing was changed")
    };
    let uplink = uplink::read(&keys, mac).map_err(not_understood)?;
    let gateway = gateway::read(&keys).map_err(not_understood)?;
    let Some(uplink) = uplink else {
        say_line(format_args!(
            "QubesDB has no address for \"{interface}\" ({mac}), so it stays as it is"
        ));
        return Ok(());
    };
    set_up(&mut links, interface, link, mac, &uplink)?;
    if gateway.is_some() {
        redirect::redirect(gateway.as_ref())?;
    }
    // The program of the user may call this one.
    drop(lock);
    hook::run();
    Ok(())
}

fn set_up(
    links: &mut Links,
    interface: &Name,
    link: Link,
    mac: Mac,
    uplink: &Uplink,
) -> Result<(), Failure> {
    let cannot = |step: &str| Failure::of(format!("cannot {step} \"{interface}\""));
    let of_key = |step: &str, value: IpAddr, key: &str| {
        Failure::of(format!(
            "cannot {step} {value} (key \"{key}\") for \"{interface}\""
        ))
    };
    let by_network_manager = network_manager::is_in_charge();
    // The tables know an interface by its group, so it has one before a packet comes.
    links
        .set_group(link, group::UPLINK)
        .map_err(cannot("set the group of"))?;
    if !by_network_manager {
        let addresses: Vec<(IpAddr, u8)> = uplink
            .sides
            .iter()
            .map(|side| (side.address.value, side.prefix))
            .collect();
        links
            .keep_addresses(link, &addresses)
            .map_err(cannot("remove other addresses of"))?;
        for side in &uplink.sides {
            let address = &side.address;
            links
                .add_address(link, address.value, side.prefix)
                .map_err(of_key("set the address", address.value, &address.key))?;
        }
    }
    links.set_up(link, true).map_err(cannot("switch on"))?;
    let gateways: Vec<_> = uplink
        .sides
        .iter()
        .filter_map(|side| side.gateway.as_ref())
        .collect();
    let known: Vec<IpAddr> = match uplink.gateway_is_known {
        true => gateways.iter().map(|gateway| gateway.value).collect(),
        false => Vec::new(),
    };
    links
        .keep_neighbours(link, &known)
        .map_err(cannot("forget other neighbours of"))?;
    for gateway in gateways.iter().filter(|_| uplink.gateway_is_known) {
        links
            .add_neighbour(link, gateway.value, Mac::OF_GATEWAY)
            .map_err(of_key(
                "name the MAC address of the gateway",
                gateway.value,
                &gateway.key,
            ))?;
    }
    if by_network_manager {
        return network_manager::add(interface, mac, uplink);
    }
    let mut routes = Vec::new();
    for gateway in gateways {
        // What is of the link needs no route to be found.
        let is_of_link = matches!(gateway.value, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if !is_of_link {
            routes.push((gateway, Route::to_host(gateway.value, None)));
        }
        if !services::is_on("disable-default-route") {
            routes.push((gateway, Route::through(gateway.value)));
        }
    }
    let wanted: Vec<Route> = routes.iter().map(|(_, route)| *route).collect();
    links
        .keep_routes(link, &wanted)
        .map_err(cannot("delete other routes of"))?;
    for (gateway, route) in &routes {
        links.add_route(link, route).map_err(of_key(
            "make the route to",
            gateway.value,
            &gateway.key,
        ))?;
    }
    name_servers::set(interface, &uplink.dns)
}

/// Takes away what [`add`] made, whatever QubesDB says by now. The name servers stay: the next
/// interface brings others.
pub(crate) fn remove(interface: &Name) -> Result<(), Failure> {
    let cannot = |step: &str| Failure::of(format!("cannot {step} \"{interface}\""));
    let _lock = Lock::take().map_err(cannot("take the lock for"))?;
    let taken_down = take_down(interface);
    // Also when the kernel refuses: as long as the file is there, NetworkManager sets it up again.
    network_manager::remove(interface)?;
    taken_down
}

fn take_down(interface: &Name) -> Result<(), Failure> {
    let cannot = |step: &str| Failure::of(format!("cannot {step} \"{interface}\""));
    let mut links = Links::open().map_err(cannot("reach the kernel about"))?;
    match links.take_down(interface)? {
        Some(link) => links
            .set_group(link, group::NONE)
            .map_err(cannot("set the group of")),
        None => Ok(()),
    }
}
