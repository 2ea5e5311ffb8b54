//! What is told to the other daemon of the qube, and what it may tell.
//!
//! The daemon in the qube asks for everything when it has connected; from then on each side tells the
//! other what its own clients change. What is unexpected ends the connection and never the daemon: the
//! two meet again and the qube asks anew. Of what the C daemon takes for fatal nothing is sent: no
//! "there is no such key", no second question, and no removal of a key that it cannot have.

use std::collections::{BTreeSet, HashMap, VecDeque};

use qubesdb::{Header, Kind, Path};
use text::foreign;

use crate::core::Data;
use crate::incoming::{Incoming, Message};
use crate::limits::Limits;
use crate::log::Log;
use crate::outgoing::Outgoing;

/// Which side this daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// There is no other side.
    Alone,
    /// Dom0's side: it answers, and its changes win.
    Dom0,
    /// The qube's side: it asks.
    Qube {
        /// Keys that dom0 no longer has are removed when it has answered.
        drop_missing: bool,
    },
}

/// The other daemon.
#[derive(Debug)]
pub(crate) struct Peer {
    role: Role,
    state: State,
    incoming: Incoming,
    outgoing: Outgoing,
    // More waiting bytes than this end the connection.
    most_unsent: usize,
    unanswered: Unanswered,
    // The qube's side: paths that local clients changed and dom0 may not know of.
    untold: BTreeSet<Path>,
    // The qube's side, while dom0 answers: what of `untold` dom0 has, and (`drop_missing`) all it has.
    has_untold: Vec<Path>,
    has: BTreeSet<Path>,
    is_synchronised: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Away,
    /// Connected; the question for everything was not yet asked (dom0's side), or not answered.
    Starting,
    Joined,
    /// The connection is to be ended.
    Ended,
}

/// The changes that were forwarded and not answered, in their order.
#[derive(Debug, Default)]
struct Unanswered {
    order: VecDeque<Path>,
    count: HashMap<Path, usize>,
}

impl Peer {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            state: State::Away,
            incoming: new_incoming(),
            outgoing: Outgoing::default(),
            most_unsent: 0,
            unanswered: Unanswered::default(),
            untold: BTreeSet::new(),
            has_untold: Vec::new(),
            has: BTreeSet::new(),
            is_synchronised: !matches!(role, Role::Qube { .. }),
        }
    }

    pub(crate) fn is_synchronised(&self) -> bool {
        self.is_synchronised
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    pub(crate) fn waiting(&self) -> &[u8] {
        self.outgoing.waiting()
    }

    pub(crate) fn sent(&mut self, count: usize) {
        self.outgoing.sent(count);
    }

    pub(crate) fn came(&mut self) {
        self.state = State::Starting;
        if self.is_qube() {
            self.outgoing.append(Kind::Multiread, &Path::EMPTY, &[]);
        }
    }

    pub(crate) fn went(&mut self) {
        self.state = State::Away;
        self.incoming = new_incoming();
        self.outgoing.clear();
        self.has_untold = Vec::new();
        self.has = BTreeSet::new();
        let unanswered = std::mem::take(&mut self.unanswered);
        if self.is_qube() {
            self.untold.extend(unanswered.order);
        }
    }

    /// Tells the other daemon what a local client has changed, or notes that it was not told.
    pub(crate) fn forward(
        &mut self,
        limits: &Limits,
        log: &Log,
        kind: Kind,
        path: &Path,
        data: &[u8],
    ) {
        if self.state == State::Joined {
            self.outgoing.append(kind, path, data);
            self.unanswered.push(*path);
            let is_too_much = self.outgoing.len() > self.most_unsent
                || self.unanswered.order.len() > limits.unanswered;
            if is_too_much {
                self.end(log, "it does not read what it is sent, or does not answer");
            }
        } else if self.is_qube() {
            if self.untold.len() >= limits.unanswered {
                log.line(
                    "dom0 is away for too many changes: it will not be told of those until now",
                );
                self.untold.clear();
            }
            self.untold.insert(*path);
        }
    }

    /// Takes what the other daemon has sent.
    pub(crate) fn receive(&mut self, data: &mut Data, untrusted: &[u8]) {
        let mut rest = untrusted;
        while !matches!(self.state, State::Away | State::Ended) {
            match self.incoming.next(&mut rest) {
                None => return,
                Some(Message::Malformed(_)) => self.end(&data.log, "it sent a malformed header"),
                Some(Message::Whole(header, untrusted_data)) => {
                    if let Err(why) = self.obey(data, &header, &untrusted_data) {
                        self.end(&data.log, why);
                    }
                    if self.outgoing.len() > self.most_unsent.max(data.limits.unsent_to_peer) {
                        self.end(&data.log, "it does not read the answers to what it sends");
                    }
                }
            }
        }
    }

    /// Does what one message says; an error is why the connection is to be ended.
    fn obey(
        &mut self,
        data: &mut Data,
        header: &Header,
        untrusted_data: &[u8],
    ) -> Result<(), &'static str> {
        let Header { kind, path, .. } = *header;
        let has_data = header.data_len > 0;
        match kind {
            Kind::Write if !path.is_key() => return Err("it wrote a path that is no key"),
            Kind::Write | Kind::Rm if self.is_dom0() && self.state != State::Joined => {
                return Err("it sent a change before it asked for what there is");
            }
            Kind::Write | Kind::Rm if self.keeps_own(&path) => self.reply(Kind::Ok, &path),
            Kind::Write => {
                let reply = match data.write(path, untrusted_data) {
                    true => Kind::Ok,
                    false => Kind::Refused,
                };
                self.reply(reply, &path);
            }
            Kind::Rm if has_data => self.reply(Kind::Refused, &path),
            Kind::Rm => {
                self.remove(data, &path);
                self.reply(Kind::Ok, &path);
            }
            Kind::Multiread if !self.is_dom0() => return Err("it asked, as only a qube does"),
            Kind::Multiread if has_data => return Err("it asked with data"),
            Kind::Multiread if self.state == State::Joined => return Err("it asked twice"),
            Kind::Multiread => self.tell_all(data, &path),
            Kind::Ok | Kind::Missing if has_data => return Err("it sent an answer with data"),
            Kind::Ok | Kind::Missing => self.unanswered.pop(),
            Kind::Refused if has_data => return Err("it sent an error with data"),
            Kind::Refused => {
                let shown = foreign(path.as_bytes());
                data.log.line(format_args!(
                    "the other daemon refused a change of \"{shown}\""
                ));
                self.unanswered.pop();
            }
            Kind::MultireadAnswer if self.is_qube() && self.state == State::Starting => {
                return self.take_over(data, path, untrusted_data);
            }
            _ => return Err("it sent a message that is not for it to send"),
        }
        Ok(())
    }

    /// Removes a key, if it is there: both sides may have removed it at the same time. Below a folder
    /// the keys stay that this side, being dom0's, has changed at the same time.
    fn remove(&self, data: &mut Data, path: &Path) {
        let own = self
            .unanswered
            .count
            .keys()
            .filter(|own| self.is_dom0() && path.is_folder() && own.starts_with(path));
        let kept: Vec<_> = own
            .filter_map(|own| Some((*own, data.store.get(own)?.clone())))
            .collect();
        data.remove(path);
        for (path, value) in kept {
            // There was room for it.
            let _written = data.store.write(path, value);
        }
    }

    /// Dom0's side: answers with all there is, at one moment. What changes from now on is forwarded
    /// behind it.
    fn tell_all(&mut self, data: &Data, prefix: &Path) {
        let mut entries: Vec<_> = data.store.matching(prefix).collect();
        // The C daemon of the qube inserts cheaply when the last one comes first.
        entries.reverse();
        for (path, value) in entries {
            self.outgoing
                .append(Kind::MultireadAnswer, path, value.as_bytes());
        }
        self.reply(Kind::MultireadAnswer, &Path::EMPTY);
        self.most_unsent = self.outgoing.len() + data.limits.unsent_to_peer;
        self.state = State::Joined;
    }

    /// The qube's side: takes over one entry, or the end mark.
    fn take_over(
        &mut self,
        data: &mut Data,
        path: Path,
        untrusted_value: &[u8],
    ) -> Result<(), &'static str> {
        if path == Path::EMPTY {
            return match untrusted_value {
                [] => {
                    self.joined(data);
                    Ok(())
                }
                _ => Err("it ended its answer with data"),
            };
        }
        if !path.is_key() {
            return Err("it answered with a path that is no key");
        }
        if untrusted_value.contains(&0) {
            return Err("it answered with a NUL");
        }
        if self.role == (Role::Qube { drop_missing: true }) {
            if self.has.len() >= data.limits.entries {
                return Err("it has more keys than the limit");
            }
            self.has.insert(path);
        }
        match self.is_untold(&path) {
            true if self.has_untold.len() >= data.limits.entries => {
                return Err("it has more keys than the limit");
            }
            true => self.has_untold.push(path),
            // What was refused was logged.
            false => _ = data.write(path, untrusted_value),
        }
        Ok(())
    }

    /// The qube's side: dom0 has answered. What it was not told is told now.
    fn joined(&mut self, data: &mut Data) {
        self.state = State::Joined;
        self.is_synchronised = true;
        if self.role == (Role::Qube { drop_missing: true }) {
            let has = std::mem::take(&mut self.has);
            let all = data.store.matching(&Path::EMPTY).map(|(path, _)| *path);
            let gone: Vec<Path> = all
                .filter(|path| !has.contains(path) && !self.is_untold(path))
                .collect();
            for path in gone {
                data.remove(&path);
            }
        }
        for path in std::mem::take(&mut self.has_untold) {
            if data.store.get(&path).is_none() {
                self.outgoing.append(Kind::Rm, &path, &[]);
                self.unanswered.push(path);
            }
        }
        for path in std::mem::take(&mut self.untold) {
            if let Some(value) = data.store.get(&path) {
                self.outgoing.append(Kind::Write, &path, value.as_bytes());
                self.unanswered.push(path);
            }
        }
        self.most_unsent = self.outgoing.len() + data.limits.unsent_to_peer;
    }

    fn reply(&mut self, kind: Kind, path: &Path) {
        self.outgoing.append(kind, path, &[]);
    }

    fn end(&mut self, log: &Log, why: &str) {
        self.state = State::Ended;
        log.line(format_args!(
            "the connection to the other daemon is ended: {why}"
        ));
    }

    /// Both have changed a key at the same time: dom0's change stands on both sides.
    fn keeps_own(&self, path: &Path) -> bool {
        let own = &self.unanswered.count;
        self.is_dom0() && !own.is_empty() && is_or_is_below(path, |one| own.contains_key(one))
    }

    fn is_untold(&self, path: &Path) -> bool {
        !self.untold.is_empty() && is_or_is_below(path, |one| self.untold.contains(one))
    }

    fn is_dom0(&self) -> bool {
        self.role == Role::Dom0
    }

    fn is_qube(&self) -> bool {
        matches!(self.role, Role::Qube { .. })
    }
}

impl Unanswered {
    fn push(&mut self, path: Path) {
        self.order.push_back(path);
        *self.count.entry(path).or_default() += 1;
    }

    /// One was answered. An answer that belongs to nothing has no meaning.
    fn pop(&mut self) {
        let Some(path) = self.order.pop_front() else {
            return;
        };
        if let Some(count) = self.count.get_mut(&path) {
            *count -= 1;
            if *count == 0 {
                self.count.remove(&path);
            }
        }
    }
}

/// True for a path of a set, and for what is in a folder of it.
fn is_or_is_below(path: &Path, is_in_set: impl Fn(&Path) -> bool) -> bool {
    is_in_set(path) || path.folders().any(|folder| is_in_set(&folder))
}

fn new_incoming() -> Incoming {
    Incoming::of_peer(|_| true)
}
