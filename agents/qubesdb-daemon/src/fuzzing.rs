//! A daemon without descriptors, for tests and for the fuzz targets.
#![expect(
    clippy::missing_panics_doc,
    reason = "a harness panics where its test has failed"
)]

use std::time::Instant;

use qubesdb::{HEADER_LEN, Header, Kind, Path, append_message};

use crate::core::{Access, ClientId, Core};
use crate::limits::Limits;
use crate::peer::Role;

/// A message that the daemon has sent.
pub type Sent = (Kind, String, Vec<u8>);

/// A daemon and its clients.
#[derive(Debug)]
pub struct Harness {
    /// The daemon.
    pub core: Core,
    /// The moment at which everything happens.
    pub now: Instant,
    clients: u64,
}

impl Harness {
    /// A daemon without clients.
    #[must_use]
    pub fn new(role: Role, limits: Limits) -> Self {
        Self {
            core: Core::new(role, limits),
            now: Instant::now(),
            clients: 0,
        }
    }

    /// Another client.
    pub fn client(&mut self, access: Access) -> ClientId {
        self.clients += 1;
        let id = ClientId(self.clients);
        self.core.add_client(id, access);
        id
    }

    /// Sends a command, whose path need not be one.
    pub fn send(&mut self, id: ClientId, kind: Kind, path: &str, data: &[u8]) {
        let bytes = message(kind, path, data);
        self.core.receive(id, &bytes, self.now);
    }

    /// Everything that waits for a client, sent in pieces of at most `piece` bytes.
    pub fn take(&mut self, id: ClientId, piece: usize) -> Vec<Sent> {
        let mut bytes = Vec::new();
        loop {
            let waiting = self.core.waiting(id);
            let count = waiting.len().min(piece);
            if count == 0 {
                break;
            }
            bytes.extend_from_slice(&waiting[..count]);
            self.core.sent(id, count, self.now);
        }
        messages(&bytes)
    }

    /// Sends a command and takes what comes.
    pub fn call(&mut self, id: ClientId, kind: Kind, path: &str, data: &[u8]) -> Vec<Sent> {
        self.send(id, kind, path, data);
        self.take(id, usize::MAX)
    }

    /// Takes what waits for the other daemon.
    pub fn take_for_peer(&mut self) -> Vec<u8> {
        let bytes = self.core.waiting_for_peer().to_vec();
        self.core.sent_to_peer(bytes.len());
        bytes
    }

    /// All keys and values, in their order.
    pub fn all(&mut self) -> Vec<(String, Vec<u8>)> {
        let id = self.client(Access::ReadOnly);
        let mut sent = self.call(id, Kind::Multiread, "", b"");
        self.core.remove_client(id);
        assert_eq!(sent.pop().map(|(_, path, _)| path), Some(String::new()));
        sent.reverse();
        sent.into_iter()
            .map(|(_, path, value)| (path, value))
            .collect()
    }
}

/// A message, byte by byte, whose path need not be one.
#[must_use]
pub fn message(kind: Kind, path: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_message(&mut bytes, kind, &Path::EMPTY, data);
    bytes[1..=path.len()].copy_from_slice(path.as_bytes());
    bytes
}

/// Takes apart what was sent: whole messages, which are zero behind their paths.
#[must_use]
pub fn messages(mut bytes: &[u8]) -> Vec<Sent> {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<HEADER_LEN>() {
        let header = Header::parse(head).expect("the daemon sends headers");
        let path = header.path.as_str();
        assert!(head[1 + path.len()..68].iter().all(|byte| *byte == 0));
        let (data, rest) = rest.split_at(usize::try_from(header.data_len).expect("32 bits"));
        all.push((header.kind, path.to_owned(), data.to_vec()));
        bytes = rest;
    }
    assert_eq!(bytes, b"", "a piece of a message");
    all
}

/// Lets two daemons hear each other until neither has anything to say.
pub fn exchange(one: &mut Harness, other: &mut Harness) {
    loop {
        let (to_other, to_one) = (one.take_for_peer(), other.take_for_peer());
        if to_other.is_empty() && to_one.is_empty() {
            return;
        }
        other.core.receive_from_peer(&to_other);
        one.core.receive_from_peer(&to_one);
    }
}

/// Fuzzes the header: what is read is written again, zero behind the path.
pub fn header(untrusted: &[u8]) {
    let Some((head, _)) = untrusted.split_first_chunk::<HEADER_LEN>() else {
        return;
    };
    if let Ok(header) = Header::parse(head) {
        let bytes = header.to_bytes();
        assert_eq!(Header::parse(&bytes), Ok(header));
        let len = header.path.as_bytes().len();
        assert_eq!(bytes[..=len], head[..=len]);
        assert!(bytes[1 + len..68].iter().all(|byte| *byte == 0));
    }
}

/// Fuzzes what clients send: pieces, each behind the number of a client and a length.
pub fn clients(mut untrusted: &[u8]) {
    let limits = Limits {
        unsent: 4 << 10,
        unsent_in_all: 8 << 10,
        enough_unsent: 1 << 10,
        watches: 8,
        entries: 16,
        bytes: 4 << 10,
        ..Limits::default()
    };
    let mut harness = Harness::new(Role::Alone, limits);
    let ids = [Access::ReadWrite, Access::ReadWrite, Access::ReadOnly]
        .map(|access| harness.client(access));
    while let [number, len, rest @ ..] = untrusted {
        let (piece, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        untrusted = rest;
        let id = ids[usize::from(*number) % ids.len()];
        if harness.core.wants_input(id) {
            harness.core.receive(id, piece, harness.now);
        }
        if number & 0x10 != 0 {
            let _sent = harness.take(id, 1 + usize::from(*len));
        }
        for id in harness.core.touched() {
            if harness.core.is_ended(id) {
                harness.core.remove_client(id);
            }
            assert!(harness.core.waiting(id).len() <= limits.unsent + qubesdb::MAX_MESSAGE_LEN);
        }
    }
    for id in ids {
        let _sent = harness.take(id, usize::MAX);
    }
    let all = harness.all();
    assert!(all.len() <= limits.entries);
    assert!(all.is_sorted());
}

/// Fuzzes what the other daemon sends: the first byte chooses the role of this one.
pub fn peer(untrusted: &[u8]) {
    let Some((choice, untrusted)) = untrusted.split_first() else {
        return;
    };
    let role = match choice % 3 {
        0 => Role::Dom0,
        1 => Role::Qube {
            drop_missing: false,
        },
        _ => Role::Qube { drop_missing: true },
    };
    let mut harness = Harness::new(role, Limits::default());
    let id = harness.client(Access::ReadWrite);
    let own = |number: usize| format!("/own/{number}");
    for (number, bytes) in untrusted.chunks(512).enumerate() {
        harness.core.peer_came();
        let _ok = harness.call(id, Kind::Write, &own(number % 8), b"v");
        harness.core.receive_from_peer(bytes);
        let _ok = harness.call(id, Kind::Rm, &own(number % 5), b"");
        let sent = messages(&harness.take_for_peer());
        // The C daemon would end.
        assert!(sent.iter().all(|(kind, ..)| *kind != Kind::Missing));
        if harness.core.is_peer_ended() || choice & 0x10 != 0 {
            harness.core.peer_went();
        }
    }
    let all = harness.all();
    assert!(
        all.iter()
            .all(|(path, _)| Path::key(path.as_bytes()).is_ok())
    );
}

#[cfg(test)]
mod tests {
    use test_support::corpus;

    #[test]
    fn the_committed_inputs_find_no_fault() {
        corpus("qubesdb_header", 1, super::header);
        corpus("qubesdb_clients", 1, super::clients);
        corpus("qubesdb_peer", 1, super::peer);
    }
}
