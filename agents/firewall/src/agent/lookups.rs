//! The addresses of names, from the resolver to the kernel.

use std::io;
use std::time::Instant;

use firewall::{Client, Family, HostName, SetName};
use program::failure::Failure;

use super::{Agent, say};
use crate::clients::Chain;
use crate::helper::MAX_MESSAGE_LEN;
use crate::kernel::Batch;
use crate::resolver;

impl Agent {
    pub(super) fn ask_resolver(&mut self) {
        for name in self.names.take_due(Instant::now()) {
            // What cannot be sent is asked again when there was no answer.
            let _lost = self.resolver.send(name.as_str().as_bytes());
        }
        // A name that nobody answered for in time counts as looked up.
        let clients = self.clients.iter();
        let waiting = clients.filter(|(_, state)| !state.unanswered.is_empty());
        let waiting: Vec<Client> = waiting.map(|(client, _)| *client).collect();
        for client in waiting {
            self.settle(client);
        }
    }

    pub(super) fn hear_resolver(&mut self) -> Result<(), Failure> {
        let mut message = vec![0; MAX_MESSAGE_LEN];
        loop {
            let len = match self.resolver.recv(&mut message) {
                Ok(0) => {
                    return Err(Failure::new("the resolver ended"));
                }
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    return Err(Failure::new("cannot hear from the resolver").because(error));
                }
            };
            let Some(answer) = resolver::read(&message[..len]) else {
                say("the resolver gave an answer that is none, which is ignored");
                continue;
            };
            let name = answer.name.clone();
            if self.names.take_in(answer, Instant::now()) {
                self.name_has_changed(&name)?;
            }
        }
    }

    /// A name has other addresses, or has been looked up for the first time.
    pub(super) fn name_has_changed(&mut self, name: &HostName) -> Result<(), Failure> {
        let set = SetName::Host(name.clone());
        let mut batch = Batch::new();
        let mut is_in_use = false;
        for family in Family::ALL {
            if self.sets.contains(&(family, set.clone())) {
                let addresses = self.names.addresses(name, family);
                batch.replace_set(family, &set, addresses.into_iter());
                is_in_use = true;
            }
        }
        if is_in_use {
            if let Err(error) = self.kernel.commit(batch.into()) {
                say(format_args!(
                    "the kernel refused the addresses of a name: {error}"
                ));
                self.rebuild()?;
            }
        }
        let users = self
            .clients
            .iter()
            .filter(|(_, state)| state.hosts().contains(name));
        let users: Vec<(Client, Chain)> = users
            .map(|(client, state)| (*client, state.chain))
            .collect();
        for (client, chain) in users {
            if chain != Chain::Rules {
                self.apply(client)?;
            }
            self.settle(client);
        }
        Ok(())
    }
}
