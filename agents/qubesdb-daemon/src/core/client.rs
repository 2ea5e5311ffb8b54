//! One client: what it has sent, what waits for it, and how it is disconnected.

use std::time::Instant;

use qubesdb::{Kind, Path};

use super::answer::LongAnswer;
use super::data::Data;
use super::{Access, ClientId};
use crate::incoming::Incoming;
use crate::limits::Limits;
use crate::outgoing::Outgoing;

/// What is known of a client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) access: Access,
    pub(super) incoming: Incoming,
    // What has come behind a command that cannot be answered yet.
    pub(super) held_back: Vec<u8>,
    pub(super) outgoing: Outgoing,
    pub(super) answer: Option<LongAnswer>,
    pub(super) watches: Vec<Path>,
    pub(super) message_since: Option<Instant>,
    pub(super) end: Option<End>,
    // No more after a write that is refused with the connection.
    pub(super) is_obeyed: bool,
}

/// How a client is to be disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As soon as what waits for it was sent.
    WhenSent,
    /// Now.
    AtOnce,
}

impl Client {
    /// It has sent nothing yet.
    pub(super) fn new(access: Access) -> Self {
        Self {
            access,
            incoming: Incoming::of_client(has_data),
            held_back: Vec::new(),
            outgoing: Outgoing::default(),
            answer: None,
            watches: Vec::new(),
            message_since: None,
            end: None,
            is_obeyed: true,
        }
    }

    pub(super) fn is_busy(&self, limits: &Limits) -> bool {
        self.answer.is_some() || self.outgoing.len() > limits.enough_unsent
    }

    pub(super) fn reply(
        &mut self,
        data: &mut Data,
        id: ClientId,
        kind: Kind,
        path: &Path,
        content: &[u8],
    ) {
        let before = self.outgoing.len();
        self.outgoing.append(kind, path, content);
        data.unsent += self.outgoing.len() - before;
        data.touched.push(id);
    }

    pub(super) fn end_at_once(&mut self, data: &mut Data, id: ClientId) {
        data.unsent -= self.outgoing.len();
        data.watches.forget(id, &std::mem::take(&mut self.watches));
        self.outgoing.clear();
        self.held_back = Vec::new();
        self.answer = None;
        self.end = Some(End::AtOnce);
        self.is_obeyed = false;
        data.touched.push(id);
    }
}

/// Data of the other types is not read off by the C daemon.
fn has_data(kind: Kind) -> bool {
    !matches!(kind, Kind::Read | Kind::Watch | Kind::Unwatch)
}
