//! The answers to the commands of a client.

use std::time::Instant;

use qubesdb::{Header, Kind, Path, Value};

use super::client::End;
use super::data::Data;
use super::{Access, ClientId, Core};
use crate::incoming::Message;
use crate::outgoing::Outgoing;

/// The entries of a list, made as the client takes them: a list needs no memory of its own, however
/// long it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongAnswer {
    kind: Kind,
    prefix: Path,
    last: Option<Path>,
}

impl Core {
    /// Answers the commands of a client, for as long as it takes the answers.
    pub(super) fn obey(&mut self, id: ClientId, untrusted: &[u8], now: Instant) {
        let mut rest = untrusted;
        loop {
            let Some(client) = self.clients.get_mut(&id) else {
                return;
            };
            if !client.is_obeyed {
                return;
            }
            if let Some(answer) = client.answer {
                client.answer = continued(answer, &mut client.outgoing, &mut self.data);
                self.data.touched.push(id);
            }
            if client.is_busy(&self.data.limits) {
                client.held_back = rest.to_vec();
                return;
            }
            let Some(message) = client.incoming.next(&mut rest) else {
                client.message_since = match client.incoming.is_partial() {
                    true => client.message_since.or(Some(now)),
                    false => None,
                };
                return;
            };
            client.message_since = None;
            self.answer(id, message);
            self.tell();
        }
    }

    /// Answers one command.
    fn answer(&mut self, id: ClientId, message: Message) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let data = &mut self.data;
        let (header, untrusted_data) = match message {
            Message::Whole(header, untrusted_data) => (header, untrusted_data),
            Message::Malformed(path) => return client.reply(data, id, Kind::Refused, &path, &[]),
        };
        let Header { kind, path, .. } = header;
        let reply = match kind {
            Kind::Read if header.data_len > 0 => return client.end_at_once(data, id),
            Kind::Read => {
                match data.store.get(&path).cloned() {
                    Some(value) => {
                        client.reply(data, id, Kind::ReadAnswer, &path, value.as_bytes());
                    }
                    None => client.reply(data, id, Kind::Missing, &path, &[]),
                }
                return;
            }
            Kind::Write if client.access == Access::ReadOnly => Kind::Refused,
            Kind::Write if !path.is_key() => {
                client.reply(data, id, Kind::Refused, &path, &[]);
                client.end = Some(End::WhenSent);
                client.is_obeyed = false;
                return;
            }
            Kind::Write => match data.write(path, &untrusted_data) {
                true => {
                    self.peer
                        .forward(&data.limits, &data.log, Kind::Write, &path, &untrusted_data);
                    Kind::Ok
                }
                false => Kind::Refused,
            },
            // Of the rest none has data.
            Kind::Multiread | Kind::List | Kind::Rm if header.data_len > 0 => Kind::Refused,
            Kind::Multiread | Kind::List => {
                let kind = match kind {
                    Kind::List => Kind::ListAnswer,
                    _ => Kind::MultireadAnswer,
                };
                client.answer = Some(LongAnswer {
                    kind,
                    prefix: path,
                    last: None,
                });
                return;
            }
            Kind::Rm if client.access == Access::ReadOnly => Kind::Refused,
            Kind::Rm => match data.remove(&path) {
                true => {
                    self.peer
                        .forward(&data.limits, &data.log, Kind::Rm, &path, &[]);
                    Kind::Ok
                }
                false => Kind::Missing,
            },
            Kind::Watch if client.watches.len() >= data.limits.watches => Kind::Refused,
            Kind::Watch => {
                data.watches.set(path, id);
                client.watches.push(path);
                client.reply(data, id, Kind::Ok, &path, &[]);
                return self.limit_watches();
            }
            Kind::Unwatch => match data.watches.unset(&path, id) {
                true => {
                    if let Some(at) = client.watches.iter().position(|watched| *watched == path) {
                        client.watches.swap_remove(at);
                    }
                    Kind::Ok
                }
                false => Kind::Missing,
            },
            _ => Kind::Refused,
        };
        client.reply(data, id, reply, &path, &[]);
    }
}

/// Makes as much of a long answer as may wait; what is left of it.
fn continued(
    mut answer: LongAnswer,
    outgoing: &mut Outgoing,
    data: &mut Data,
) -> Option<LongAnswer> {
    let before = outgoing.len();
    // In reverse order the other daemon once inserted cheaply; programs may have got used to it.
    let is_reverse = answer.kind == Kind::MultireadAnswer && answer.prefix == Path::EMPTY;
    let last = answer.last;
    let mut entries: Box<dyn Iterator<Item = (&Path, &Value)>> = match is_reverse {
        true => Box::new(data.store.all_before(last.as_ref())),
        false => Box::new(data.store.matching_after(&answer.prefix, last.as_ref())),
    };
    let is_whole = loop {
        if outgoing.len() > data.limits.enough_unsent {
            break false;
        }
        let Some((path, value)) = entries.next() else {
            break true;
        };
        let content = match answer.kind {
            Kind::MultireadAnswer => value.as_bytes(),
            _ => &[],
        };
        outgoing.append(answer.kind, path, content);
        answer.last = Some(*path);
    };
    if is_whole {
        outgoing.append(answer.kind, &Path::EMPTY, &[]);
    }
    drop(entries);
    data.unsent += outgoing.len() - before;
    (!is_whole).then_some(answer)
}
