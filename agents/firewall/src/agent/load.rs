//! From QubesDB to what is known of each address.

use std::collections::BTreeSet;
use std::time::Instant;

use firewall::{Client, Family, Policy};
use program::failure::Failure;
use qubesdb::{Error as DbError, Path, Value};
use text::foreign;

use super::{Agent, CONNECTED, RULES, path, say};
use crate::clients::Blocked;
use crate::kernel::Batch;

/// How many addresses are applied in one step when all are read.
const AT_ONCE: usize = 32;

impl Agent {
    /// Reads everything again.
    pub(super) fn load_all(&mut self) -> Result<(), Failure> {
        let listed = self.db.list(&path(RULES)).unwrap_or_else(|error| {
            // What was known is read again and found unreadable, which blocks it.
            say(format_args!("cannot list the rules in QubesDB: {error}"));
            Vec::new()
        });
        let mut texts: BTreeSet<String> = listed
            .iter()
            .filter_map(|path| path.as_str().strip_prefix(RULES))
            .filter_map(|rest| rest.split('/').next())
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect();
        let known = self.clients.values().flat_map(|state| state.texts.iter());
        texts.extend(known.cloned());
        let mut read = BTreeSet::new();
        for text in texts {
            read.extend(self.read(&text, 1));
        }
        let read: Vec<Client> = read.into_iter().collect();
        for group in read.chunks(AT_ONCE) {
            self.apply_together(group)?;
        }
        self.remove_unused_sets();
        self.load_connected()?;
        self.cut(&Family::ALL, None);
        let clients: Vec<Client> = self.clients.keys().copied().collect();
        for client in clients {
            self.settle(client);
        }
        Ok(())
    }

    /// Reads the rules of the address that is written `text`, and has them enforced. Connections are
    /// still to be [cut](Self::cut), and whoever asked to be [answered](Self::settle).
    pub(super) fn load(&mut self, text: &str, times: u64) -> Result<Option<Client>, Failure> {
        let client = self.read(text, times);
        if let Some(client) = client {
            self.apply(client)?;
            self.remove_unused_sets();
        }
        Ok(client)
    }

    /// Reads the rules of the address that is written `text`; the kernel is told nothing yet.
    pub(super) fn read(&mut self, text: &str, times: u64) -> Option<Client> {
        let Some(client) = Client::parse(text.as_bytes()) else {
            say(format_args!(
                "\"{}\" in QubesDB is no address, so its rules are for nobody",
                foreign(text.as_bytes())
            ));
            self.answer(text, times);
            return None;
        };
        let below = format!("{RULES}{text}/");
        let entries = self.db.multiread(&path(&below));
        let state = self.clients.entry(client).or_default();
        *state.unanswered.entry(text.to_owned()).or_default() += times;
        let before = state.hosts();
        let policy = match entries {
            Err(error) => Err(Blocked::NotRead(error.to_string())),
            Ok(entries) if entries.is_empty() => {
                state.texts.remove(text);
                if let Some(other) = state.texts.first().cloned() {
                    // What was written twice stands there once now, or still twice.
                    return self.read(&other, 0);
                }
                Err(Blocked::NoEntries)
            }
            Ok(entries) => {
                state.texts.insert(text.to_owned());
                read_policy(client, &below, &entries)
            }
        };
        state.policy = match state.texts.len() {
            0 | 1 => policy,
            _ => Err(Blocked::TwoTexts),
        };
        let after = state.hosts();
        let now = Instant::now();
        // First what is needed, so that a name of both stays.
        for name in &after {
            self.names.need(name, now);
        }
        for name in &before {
            self.names.release(name);
        }
        Some(client)
    }

    /// Reads which qubes are connected.
    pub(super) fn load_connected(&mut self) -> Result<(), Failure> {
        for (key, family) in CONNECTED.into_iter().zip(Family::ALL) {
            let value = match self.db.read(&path(key)) {
                Ok(value) => Some(value),
                Err(DbError::Missing) => None,
                // The addresses that were read before stay: without them, packets that name them
                // would come from anywhere.
                Err(error) => {
                    say(format_args!("cannot read \"{key}\" from QubesDB: {error}"));
                    continue;
                }
            };
            self.connected
                .retain(|address| Family::of(*address) != family);
            let Some(value) = value else {
                continue;
            };
            for word in value.as_bytes().split(|byte| *byte == b' ') {
                match Client::parse(word).filter(|client| client.family() == family) {
                    Some(client) => drop(self.connected.insert(client.address())),
                    None if word.is_empty() => {}
                    None => say(format_args!(
                        "\"{}\" in \"{key}\" is no address, and ignored",
                        foreign(word)
                    )),
                }
            }
        }
        let mut batch = Batch::new();
        for family in Family::ALL {
            batch.replace_connected(family, &self.connected);
        }
        match self.kernel.commit(batch.into()) {
            Ok(()) => Ok(()),
            Err(error) => {
                say(format_args!(
                    "the kernel refused the addresses of connected qubes: {error}"
                ));
                self.rebuild()
            }
        }
    }
}

fn read_policy(
    client: Client,
    below: &str,
    untrusted_entries: &[(Path, Value)],
) -> Result<Policy, Blocked> {
    let entries = untrusted_entries.iter().map(|(path, value)| {
        let key = path.as_bytes().strip_prefix(below.as_bytes());
        (key.unwrap_or_default(), value.as_bytes())
    });
    Policy::parse(client.family(), entries).map_err(Blocked::Error)
}
