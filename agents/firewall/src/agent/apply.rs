//! From what is known of each address to the kernel.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::net::IpAddr;

use firewall::{
    Client, Family, KnownAddresses, Policy, SetName, Verdict, name_servers_in_use, nft, verdict,
};
use program::failure::Failure;

use super::{Agent, cannot_reach_kernel, say};
use crate::clients::Chain;
use crate::flows;
use crate::kernel::nftables::Tables;
use crate::kernel::{Batch, Kernel, nftables};

/// Most bytes of a list of servers that are read.
const MAX_RESOLV_CONF_LEN: u64 = 64 << 10;

/// Makes both tables, so that nothing passes that comes from a qube. `connected` are the addresses
/// of connected qubes; `None`: those that the kernel has stay.
pub(super) fn close(kernel: &mut Kernel, connected: Option<&BTreeSet<IpAddr>>) -> io::Result<()> {
    let mut commit = |tables| {
        let mut batch = Batch::new();
        batch.start(&current_name_servers(), tables, connected.is_none());
        for (family, connected) in Family::ALL.into_iter().zip(connected.into_iter().cycle()) {
            batch.replace_connected(family, connected);
        }
        kernel.commit(batch.into())
    };
    // Tables of another program may have chains of the same names on other hooks.
    commit(Tables::Kept).or_else(|_| commit(Tables::Anew))
}

fn current_name_servers() -> BTreeSet<IpAddr> {
    let read = |file: &str| {
        let mut text = Vec::new();
        if let Ok(file) = fs::File::open(file) {
            // What cannot be read has no servers.
            let _got = file.take(MAX_RESOLV_CONF_LEN).read_to_end(&mut text);
        }
        text
    };
    name_servers_in_use(read).into_iter().collect()
}

impl Agent {
    /// Has the kernel enforce what is known of these addresses, in one step: the kernel looks at
    /// the whole table in each. Where it refuses, each has a step of its own.
    pub(super) fn apply_together(&mut self, clients: &[Client]) -> Result<(), Failure> {
        let dns = current_name_servers();
        let mut batch = Batch::new();
        let mut chains = Vec::new();
        // What the batch replaces already is not replaced twice.
        let mut replaced = BTreeSet::new();
        for client in clients {
            let Some(state) = self.clients.get(client) else {
                continue;
            };
            let family = client.family();
            let policy = state.in_force(*client, &self.names).ok();
            let mut sets = Vec::new();
            for name in policy.map(Policy::hosts).unwrap_or_default() {
                let addresses = self.names.addresses(&name, family);
                let set = SetName::Host(name);
                if replaced.insert((family, set.clone())) {
                    sets.push((set, addresses));
                }
            }
            batch.replace(&nftables::Chain {
                client: *client,
                is_new: state.chain == Chain::Missing,
                lines: nft::lines(policy),
                sets,
                dns: replaced.insert((family, SetName::Dns)).then_some(&dns),
            });
            let chain = policy.map_or(Chain::Blocking, |_| Chain::Rules);
            chains.push((*client, chain));
        }
        if self.kernel.commit(batch.into()).is_err() {
            for client in clients {
                self.apply(*client)?;
            }
            return Ok(());
        }
        let of_names = |(_, set): &(Family, SetName)| *set != SetName::Dns;
        self.sets.extend(replaced.into_iter().filter(of_names));
        for (client, chain) in chains {
            self.set_chain(client, chain);
        }
        Ok(())
    }

    /// Has the kernel enforce what is known of an address.
    pub(super) fn apply(&mut self, client: Client) -> Result<(), Failure> {
        if self.try_rules(client) || self.try_blocking(client) {
            return Ok(());
        }
        // Somebody has taken the tables away, or put something in their place.
        say("the tables are not as they were left, so they are made anew");
        self.rebuild()
    }

    /// Makes the tables anew, closed; then the chain of each address.
    pub(super) fn rebuild(&mut self) -> Result<(), Failure> {
        close(&mut self.kernel, Some(&self.connected)).map_err(cannot_reach_kernel)?;
        self.sets.clear();
        let clients: Vec<Client> = self.clients.keys().copied().collect();
        for client in &clients {
            if let Some(state) = self.clients.get_mut(client) {
                state.chain = Chain::Missing;
            }
        }
        for client in clients {
            // An address without a chain is closed.
            let _closed = self.try_rules(client) || self.try_blocking(client);
        }
        Ok(())
    }

    /// Puts the rules of an address in force; `false`: nothing has changed.
    pub(super) fn try_rules(&mut self, client: Client) -> bool {
        let Some(state) = self.clients.get(&client) else {
            return false;
        };
        let Ok(policy) = state.in_force(client, &self.names) else {
            return false;
        };
        let family = client.family();
        let hosts = policy.hosts().into_iter();
        let sets: Vec<(SetName, Vec<IpAddr>)> = hosts
            .map(|name| {
                let addresses = self.names.addresses(&name, family);
                (SetName::Host(name), addresses)
            })
            .collect();
        let names: Vec<SetName> = sets.iter().map(|(set, _)| set.clone()).collect();
        let lines = nft::lines(Some(policy));
        let committed = self.commit(client, lines, sets);
        if committed {
            self.sets.extend(names.into_iter().map(|set| (family, set)));
            self.set_chain(client, Chain::Rules);
        }
        committed
    }

    /// Blocks an address; `false`: nothing has changed.
    pub(super) fn try_blocking(&mut self, client: Client) -> bool {
        let committed = self.commit(client, nft::lines(None), Vec::new());
        if committed {
            self.set_chain(client, Chain::Blocking);
        }
        committed
    }

    pub(super) fn set_chain(&mut self, client: Client, chain: Chain) {
        if let Some(state) = self.clients.get_mut(&client) {
            state.chain = chain;
        }
    }

    pub(super) fn commit(
        &mut self,
        client: Client,
        lines: Vec<firewall::Line>,
        sets: Vec<(SetName, Vec<IpAddr>)>,
    ) -> bool {
        let Some(state) = self.clients.get_mut(&client) else {
            return false;
        };
        let mut batch = Batch::new();
        batch.replace(&nftables::Chain {
            client,
            is_new: state.chain == Chain::Missing,
            lines,
            sets,
            dns: Some(&current_name_servers()),
        });
        let committed = self.kernel.commit(batch.into());
        if let Err(error) = &committed {
            say(format_args!(
                "the kernel refused the chain of {client}: {error}"
            ));
        }
        committed.is_ok()
    }

    /// Deletes the sets of names that no rule needs any more.
    pub(super) fn remove_unused_sets(&mut self) {
        let used: BTreeSet<(Family, SetName)> = match self.sets.is_empty() {
            true => return,
            false => self
                .clients
                .iter()
                .flat_map(|(client, state)| {
                    let family = client.family();
                    state
                        .hosts()
                        .into_iter()
                        .map(move |name| (family, SetName::Host(name)))
                })
                .collect(),
        };
        let unused: Vec<_> = self.sets.difference(&used).cloned().collect();
        for (family, set) in unused {
            let mut batch = Batch::new();
            batch.delete_set(family, &set);
            // A rule of the user's may still name it.
            let _kept = self.kernel.commit(batch.into());
            self.sets.remove(&(family, set));
        }
    }

    /// Cuts the connections of an address, or of all, that its rules forbid.
    pub(super) fn cut(&mut self, families: &[Family], of: Option<Client>) {
        let known = KnownAddresses {
            dns: current_name_servers(),
            hosts: self.names.all(),
        };
        let (clients, names) = (&self.clients, &self.names);
        let cut = flows::cut(&mut self.kernel, families, |connection| {
            if of.is_some_and(|client| client != connection.client) {
                return false;
            }
            let Some(state) = clients.get(&connection.client) else {
                return false;
            };
            let policy = state.in_force(connection.client, names).ok();
            let policy = policy.filter(|_| state.chain == Chain::Rules);
            policy
                .is_none_or(|policy| verdict(policy, &connection.packet, &known) == Verdict::Reject)
        });
        if let Err(error) = cut {
            say(format_args!(
                "cannot cut the connections that the rules forbid: {error}"
            ));
        }
    }

    /// Takes the tables away.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        for family in Family::ALL {
            let mut batch = Batch::new();
            batch.end(family);
            match self.kernel.commit(batch.into()) {
                // Somebody else has done it.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                other => other.map_err(cannot_reach_kernel)?,
            }
        }
        Ok(())
    }
}
