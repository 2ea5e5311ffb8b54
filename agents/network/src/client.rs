//! The interfaces of the qubes behind this one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use firewall::Family;
use program::failure::Failure;

use crate::connected;
use crate::database::Database;
use crate::files::Lock;
use crate::gateway;
use crate::interface::Client;
use crate::keys::{Keys, Mac};
use crate::route::{Links, Route, group};
use crate::tables::Tables;

/// The command `start`.
pub(crate) fn start() -> Result<(), Failure> {
    let _lock = Lock::take().map_err(Failure::of("cannot take the lock of the network"))?;
    Tables::open()
        .and_then(|mut tables| tables.start())
        .map_err(Failure::of("cannot make the tables \"qubes\""))
}

/// Lets packets with these addresses come from a client, and no others.
///
/// What it may no longer send is forbidden first, and what it may send is permitted last. When a step
/// fails, it lets nothing through.
pub(crate) fn add(client: &Client, addresses: &[IpAddr], mac: Option<Mac>) -> Result<(), Failure> {
    let cannot = |step: &str| Failure::of(format!("cannot {step} \"{client}\""));
    let _lock = Lock::take().map_err(cannot("take the lock for"))?;
    let mut tables = Tables::open().map_err(cannot("reach the tables about"))?;
    let own = tables
        .allowed(client)
        .map_err(cannot("ask what may come from"))?;
    let kept = own
        .into_iter()
        .filter(|address| addresses.contains(address))
        .collect();
    tables
        .allow(client, &kept)
        .map_err(cannot("forbid what else came from"))?;
    let done = try_to_add(&mut tables, client, addresses, mac);
    if done.is_err() {
        tables
            .allow(client, &BTreeSet::new())
            .map_err(cannot("let nothing come from"))?;
    }
    done
}

fn try_to_add(
    tables: &mut Tables,
    client: &Client,
    addresses: &[IpAddr],
    mac: Option<Mac>,
) -> Result<(), Failure> {
    let cannot = |step: &str| Failure::of(format!("cannot {step} \"{client}\""));
    let mut database = Database::open()?;
    let mut keys_needed = gateway::needed();
    keys_needed.extend(
        addresses
            .iter()
            .flat_map(|address| gateway::keys_of_mapping(*address)),
    );
    let keys = database.read(&keys_needed)?;
    let refused = |why: String| {
        Failure::new(format_args!("cannot add \"{client}\""))
            .because(why)
            .advise("nothing comes from it")
    };
    let gateway = gateway::read(&keys).map_err(|error| refused(error.to_string()))?;
    let gateway = gateway.ok_or_else(|| {
        refused(
            "the key \"/qubes-netvm-network\" is empty, so this qube provides no network"
                .to_owned(),
        )
    })?;
    no_mapping(&keys, addresses).map_err(refused)?;
    let mut links = Links::open().map_err(cannot("reach the kernel about"))?;
    let link = links.find(client.name().as_str()).map_err(cannot("find"))?;
    let link = link.ok_or_else(|| refused("there is no such interface".to_owned()))?;
    links
        .set_group(link, group::CLIENTS)
        .map_err(cannot("set the group of"))?;
    let own: Vec<(IpAddr, u8)> = gateway
        .addresses
        .iter()
        .map(|(_, address)| (*address, Family::of(*address).bits()))
        .collect();
    links
        .keep_addresses(link, &own)
        .map_err(cannot("remove other addresses of"))?;
    for (key, address) in &gateway.addresses {
        let prefix = Family::of(*address).bits();
        links
            .add_address(link, *address, prefix)
            .map_err(Failure::of(format_args!(
                "cannot set the address {address} (key \"{key}\") for \"{client}\""
            )))?;
    }
    links.set_up(link, true).map_err(cannot("switch on"))?;
    let neighbours = if mac.is_some() { addresses } else { &[] };
    links
        .keep_neighbours(link, neighbours)
        .map_err(cannot("forget other neighbours of"))?;
    let routes: Vec<Route> = addresses
        .iter()
        .map(|address| Route::to_host(*address, Some(client.metric())))
        .collect();
    links
        .keep_routes(link, &routes)
        .map_err(cannot("delete other routes of"))?;
    for (address, route) in addresses.iter().zip(&routes) {
        if let Some(mac) = mac {
            links
                .add_neighbour(link, *address, mac)
                .map_err(Failure::of(format_args!(
                    "cannot name the MAC address of {address} for \"{client}\""
                )))?;
        }
        links
            .add_route(link, route)
            .map_err(Failure::of(format_args!(
                "cannot make the route to {address} for \"{client}\""
            )))?;
    }
    // Before anything comes, so that the same address cannot come from elsewhere.
    let wanted = addresses.iter().copied().collect();
    tables
        .keep_for_clients(&wanted)
        .map_err(cannot("keep other interfaces from the addresses of"))?;
    change_lists(&mut database, addresses, &BTreeSet::new())?;
    tables
        .allow(client, &wanted)
        .map_err(cannot("let packets come from"))?;
    give_back_unused(tables, &mut database, client)
}

/// A qube that sees another address than its own needs a translation that this program has not.
fn no_mapping(keys: &Keys, addresses: &[IpAddr]) -> Result<(), String> {
    let mapped = addresses
        .iter()
        .flat_map(|address| gateway::keys_of_mapping(*address))
        .find(|key| keys.raw(key).is_some());
    match mapped {
        None => Ok(()),
        Some(key) => Err(format!(
            "the key \"{key}\" hides the address of the qube from it, which this program cannot do"
        )),
    }
}

/// Lets nothing come from a client any more, and takes away what [`add`] made.
pub(crate) fn remove(client: &Client) -> Result<(), Failure> {
    let cannot = |step: &str| Failure::of(format!("cannot {step} \"{client}\""));
    let _lock = Lock::take().map_err(cannot("take the lock for"))?;
    let mut tables = Tables::open().map_err(cannot("reach the tables about"))?;
    // First of all nothing comes any more.
    tables
        .allow(client, &BTreeSet::new())
        .map_err(cannot("let nothing come from"))?;
    let mut links = Links::open().map_err(cannot("reach the kernel about"))?;
    links.take_down(client.name())?;
    let unused = tables
        .unused()
        .map_err(cannot("ask which addresses no qube has after"))?;
    match unused.is_empty() {
        true => Ok(()),
        false => give_back_unused(&mut tables, &mut Database::open()?, client),
    }
}

/// Takes the addresses that no client has any more out of the lists, and then out of the set by which
/// this program knows them. So the set still has those that a step which failed has left.
fn give_back_unused(
    tables: &mut Tables,
    database: &mut Database,
    client: &Client,
) -> Result<(), Failure> {
    let cannot = |step: &str| Failure::of(format!("cannot {step} \"{client}\""));
    let unused = tables
        .unused()
        .map_err(cannot("ask which addresses no qube has after"))?;
    change_lists(database, &[], &unused)?;
    tables
        .give_back(&unused)
        .map_err(cannot("give back the addresses of"))
}

/// Writes the lists of connected qubes, where they are not so already.
fn change_lists(
    database: &mut Database,
    with: &[IpAddr],
    without: &BTreeSet<IpAddr>,
) -> Result<(), Failure> {
    let without: Vec<IpAddr> = without.iter().copied().collect();
    for family in Family::ALL {
        let key = connected::key(family);
        let keys = database.read(&[key.to_owned()])?;
        let list = keys.raw(key).unwrap_or_default();
        if let Some(list) = connected::changed(family, list, with, &without) {
            database.write(key, &list)?;
        }
    }
    Ok(())
}
