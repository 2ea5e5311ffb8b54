//! What the daemon decides: bytes of clients and of the other daemon in, bytes for them out.
//!
//! There is no descriptor and no clock here. The event loop hands bytes in as they come, sends what
//! waits, and asks [`Core::touched`] who got something new or is to be disconnected.
//!
//! `data` is what is shared, `client` what is known of each client, `answer` obeys their commands.

mod answer;
mod client;
mod data;

use std::collections::HashMap;
use std::time::Instant;

use qubesdb::Kind;

use self::client::{Client, End};
pub(crate) use self::data::Data;
use crate::limits::Limits;
use crate::log::Log;
use crate::peer::{Peer, Role};

/// A client, by a number that no later client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    ReadWrite,
    /// Everything but to write and to remove.
    ReadOnly,
}

/// The state of a daemon.
#[derive(Debug)]
pub struct Core {
    data: Data,
    peer: Peer,
    clients: HashMap<ClientId, Client>,
}

impl Core {
    /// A daemon that knows no key and has no client.
    #[must_use]
    pub fn new(role: Role, limits: Limits) -> Self {
        Self {
            data: Data::new(limits),
            peer: Peer::new(role),
            clients: HashMap::new(),
        }
    }

    /// A client has connected.
    pub fn add_client(&mut self, id: ClientId, access: Access) {
        self.clients.insert(id, Client::new(access));
    }

    /// A client is gone.
    pub fn remove_client(&mut self, id: ClientId) {
        if let Some(client) = self.clients.remove(&id) {
            self.data.unsent -= client.outgoing.len();
            self.data.watches.forget(id, &client.watches);
        }
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// A client has sent these bytes.
    pub fn receive(&mut self, id: ClientId, untrusted: &[u8], now: Instant) {
        if let Some(client) = self.clients.get_mut(&id) {
            match client.held_back.is_empty() {
                true => self.obey(id, untrusted, now),
                false => client.held_back.extend_from_slice(untrusted),
            }
            self.limit_unsent();
        }
    }

    /// A client will send no more.
    pub fn no_more_from(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.end.get_or_insert(End::WhenSent);
            self.data.touched.push(id);
        }
    }

    /// What is to be sent to a client now.
    #[must_use]
    pub fn waiting(&self, id: ClientId) -> &[u8] {
        let client = self.clients.get(&id);
        client.map_or(&[], |client| client.outgoing.waiting())
    }

    /// `count` bytes were sent to a client. There may be more to send then.
    pub fn sent(&mut self, id: ClientId, count: usize, now: Instant) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let before = client.outgoing.len();
        client.outgoing.sent(count);
        self.data.unsent -= before - client.outgoing.len();
        if client.answer.is_some() || !client.held_back.is_empty() {
            let held_back = std::mem::take(&mut client.held_back);
            self.obey(id, &held_back, now);
            self.limit_unsent();
        }
    }

    /// May more be read from a client?
    #[must_use]
    pub fn wants_input(&self, id: ClientId) -> bool {
        self.clients.get(&id).is_some_and(|client| {
            client.end.is_none()
                && client.held_back.is_empty()
                && !client.is_busy(&self.data.limits)
        })
    }

    /// Is a client to be disconnected now?
    #[must_use]
    pub fn is_ended(&self, id: ClientId) -> bool {
        self.clients.get(&id).is_none_or(|client| match client.end {
            None => false,
            Some(End::AtOnce) => true,
            Some(End::WhenSent) => {
                client.outgoing.len() == 0 && client.answer.is_none() && client.held_back.is_empty()
            }
        })
    }

    /// Disconnects the clients whose message is not whole after the time for it; whether any other
    /// client's is not whole.
    pub fn sweep(&mut self, now: Instant) -> bool {
        let mut some_are_partial = false;
        for (id, client) in &mut self.clients {
            let Some(since) = client.message_since else {
                continue;
            };
            if now.saturating_duration_since(since) >= self.data.limits.message_time {
                client.end = Some(End::AtOnce);
                self.data.touched.push(*id);
            } else {
                some_are_partial = true;
            }
        }
        some_are_partial
    }

    /// Is a message of this client begun and not whole?
    #[must_use]
    pub fn is_partial(&self, id: ClientId) -> bool {
        self.clients
            .get(&id)
            .is_some_and(|client| client.message_since.is_some())
    }

    /// The clients that got something new, or are to be disconnected, since the last call.
    pub fn touched(&mut self) -> Vec<ClientId> {
        let mut touched = std::mem::take(&mut self.data.touched);
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// The connection to the other daemon was made.
    pub fn peer_came(&mut self) {
        self.peer.came();
    }

    /// The connection to the other daemon is lost.
    pub fn peer_went(&mut self) {
        self.peer.went();
    }

    /// The other daemon has sent these bytes.
    pub fn receive_from_peer(&mut self, untrusted: &[u8]) {
        self.peer.receive(&mut self.data, untrusted);
        self.tell();
    }

    /// What is to be sent to the other daemon now.
    #[must_use]
    pub fn waiting_for_peer(&self) -> &[u8] {
        self.peer.waiting()
    }

    /// `count` bytes were sent to the other daemon.
    pub fn sent_to_peer(&mut self, count: usize) {
        self.peer.sent(count);
    }

    /// Is the connection to the other daemon to be ended now?
    #[must_use]
    pub fn is_peer_ended(&self) -> bool {
        self.peer.is_ended()
    }

    /// Has this daemon been told all that the other one knew, once at least? One that does not ask
    /// needs not to be told.
    #[must_use]
    pub fn is_synchronised(&self) -> bool {
        self.peer.is_synchronised()
    }

    /// Says a line to the administrator. What is foreign in it has passed the text filter.
    pub(crate) fn log(&self) -> &Log {
        &self.data.log
    }

    /// Tells the watches what has changed.
    fn tell(&mut self) {
        if self.data.changed.is_empty() {
            return;
        }
        for path in std::mem::take(&mut self.data.changed) {
            for id in self.data.watches.of(&path) {
                let Some(client) = self.clients.get_mut(&id) else {
                    continue;
                };
                if client.end == Some(End::AtOnce) {
                    continue;
                }
                client.reply(&mut self.data, id, Kind::Changed, &path, &[]);
                if client.outgoing.len() > self.data.limits.unsent {
                    self.data
                        .log
                        .line("a client that does not read its events is disconnected");
                    client.end_at_once(&mut self.data, id);
                }
            }
            self.limit_unsent();
        }
    }

    /// Disconnects those who read least, until no more waits than may.
    fn limit_unsent(&mut self) {
        while self.data.unsent > self.data.limits.unsent_in_all {
            let line = "too much waits for all clients: the one that reads least is disconnected";
            if !self.end_the_worst(|client| client.outgoing.len(), line) {
                return;
            }
        }
    }

    /// Disconnects those who watch most, until there are no more watches than may be.
    fn limit_watches(&mut self) {
        while self.data.watches.count() > self.data.limits.watches_in_all {
            let line = "there are too many watches: the client with the most is disconnected";
            if !self.end_the_worst(|client| client.watches.len(), line) {
                return;
            }
        }
    }

    /// Disconnects the client of which there is most; false: there is none.
    fn end_the_worst(&mut self, size: impl Fn(&Client) -> usize, line: &str) -> bool {
        let clients = self.clients.iter_mut();
        let worst = clients.max_by_key(|(_, client)| size(client));
        let Some((id, client)) = worst.filter(|(_, client)| size(client) > 0) else {
            return false;
        };
        self.data.log.line(line);
        client.end_at_once(&mut self.data, *id);
        true
    }
}

#[cfg(test)]
mod tests;
