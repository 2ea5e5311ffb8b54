//! Random commands of several clients, against a plain ordered map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use qubesdb::Kind;

use crate::core::{Access, ClientId};
use crate::fuzzing::{Harness, Sent};
use crate::limits::Limits;
use crate::peer::Role;

const CLIENTS: usize = 3;

/// What is there, and who watches what, newest last.
#[derive(Default)]
struct Model {
    entries: BTreeMap<String, Vec<u8>>,
    watches: Vec<(usize, String)>,
    // What each client still gets.
    expected: [Vec<Sent>; CLIENTS],
}

impl Model {
    fn obey(&mut self, client: usize, kind: Kind, path: &str, data: &[u8]) {
        let below = path.ends_with('/');
        let reply = |model: &mut Self, kind, path: &str, data: &[u8]| {
            model.expected[client].push((kind, path.to_owned(), data.to_vec()));
        };
        match kind {
            Kind::Read => match self.entries.get(path).cloned() {
                Some(value) => reply(self, Kind::ReadAnswer, path, &value),
                None => reply(self, Kind::Missing, path, b""),
            },
            Kind::Write => {
                self.entries.insert(path.to_owned(), data.to_vec());
                reply(self, Kind::Ok, path, b"");
                self.tell(path);
            }
            Kind::Rm => {
                let before = self.entries.len();
                self.entries.retain(|key, _| match below {
                    true => !key.starts_with(path),
                    false => key != path,
                });
                if self.entries.len() == before {
                    return reply(self, Kind::Missing, path, b"");
                }
                reply(self, Kind::Ok, path, b"");
                self.tell(path);
            }
            Kind::List | Kind::Multiread => {
                let (answer, with_value) = match kind {
                    Kind::List => (Kind::ListAnswer, false),
                    _ => (Kind::MultireadAnswer, true),
                };
                let entries = self.entries.iter().filter(|(key, _)| key.starts_with(path));
                let mut entries: Vec<Sent> = entries
                    .map(|(key, value)| {
                        (
                            answer,
                            key.clone(),
                            if with_value {
                                value.clone()
                            } else {
                                Vec::new()
                            },
                        )
                    })
                    .collect();
                if path.is_empty() && with_value {
                    entries.reverse();
                }
                self.expected[client].extend(entries);
                reply(self, answer, "", b"");
            }
            Kind::Watch => {
                self.watches.push((client, path.to_owned()));
                reply(self, Kind::Ok, path, b"");
            }
            _ => {
                let own = (client, path.to_owned());
                match self.watches.iter().rposition(|watch| *watch == own) {
                    Some(at) => {
                        self.watches.remove(at);
                        reply(self, Kind::Ok, path, b"");
                    }
                    None => reply(self, Kind::Missing, path, b""),
                }
            }
        }
    }

    fn tell(&mut self, changed: &str) {
        for (client, watched) in self.watches.iter().rev() {
            let is_told = match watched.ends_with('/') {
                true => changed.starts_with(watched.as_str()),
                false => changed == watched,
            };
            if is_told {
                self.expected[*client].push((Kind::Changed, changed.to_owned(), Vec::new()));
            }
        }
    }
}

fn command() -> impl Strategy<Value = (usize, Kind, String, Vec<u8>)> {
    let kinds = [
        Kind::Read,
        Kind::Write,
        Kind::Rm,
        Kind::List,
        Kind::Multiread,
        Kind::Watch,
        Kind::Unwatch,
    ];
    let paths = [
        "", "/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/ab", "/a-", "//", "/b",
    ];
    let data = prop::collection::vec(1..=u8::MAX, 0..4);
    (
        0..CLIENTS,
        prop::sample::select(kinds.to_vec()),
        prop::sample::select(paths.to_vec()),
        data,
    )
        .prop_map(|(client, kind, path, data)| {
            let is_key = path.starts_with('/') && !path.ends_with('/');
            match kind {
                Kind::Write if is_key => (client, kind, path.to_owned(), data),
                Kind::Write => (client, kind, "/a/b".to_owned(), data),
                _ => (client, kind, path.to_owned(), Vec::new()),
            }
        })
}

proptest! {
    #[test]
    fn the_daemon_is_a_plain_map_with_watches(
        commands in prop::collection::vec(command(), 1..80), piece in 1_usize..300
    ) {
        let mut harness = Harness::new(Role::Alone, Limits::default());
        let ids: [ClientId; CLIENTS] = std::array::from_fn(|_| harness.client(Access::ReadWrite));
        let mut model = Model::default();
        for (client, kind, path, data) in commands {
            harness.send(ids[client], kind, &path, &data);
            model.obey(client, kind, &path, &data);
        }
        for (client, id) in ids.into_iter().enumerate() {
            prop_assert_eq!(&harness.take(id, piece), &model.expected[client]);
        }
    }
}
