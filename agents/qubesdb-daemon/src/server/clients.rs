//! The clients: who is taken, what is read from each and sent to it, and how it is let go.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Instant;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};

use super::{ACCEPT_PAUSE, Running, SWEEP_EVERY};
use crate::core::{Access, ClientId};

/// How often one client is sent something before the others have their turn.
const SENDS_AT_ONCE: usize = 16;

/// Most clients that are taken before those that are there have their turn.
const ACCEPTS_AT_ONCE: usize = 64;

/// A client that is connected.
pub(super) struct Connection {
    socket: OwnedFd,
    user: u32,
    interest: EventFlags,
}

impl Running {
    /// There may be a client to take.
    pub(super) fn accept(&mut self, access: Access) {
        for _ in 0..ACCEPTS_AT_ONCE {
            let listeners = &self.server.listeners;
            let listener = match access {
                Access::ReadWrite => &listeners.read_write,
                Access::ReadOnly => &listeners.read_only,
            };
            match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => self.take(socket, access),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => {
                    return self.pause_accepting();
                }
                Err(_) => return,
            }
        }
    }

    /// The one who comes too much is refused: the connection is closed.
    fn take(&mut self, socket: OwnedFd, access: Access) {
        let Ok(user) = socket_peercred(&socket).map(|peer| peer.uid) else {
            return;
        };
        let limits = &self.server.limits;
        let of_user = self.of_user.get(&user.as_raw()).copied().unwrap_or(0);
        // An eighth is for root.
        let is_full = match user.is_root() {
            true => self.connections.len() >= limits.clients,
            false => {
                self.connections.len() >= limits.clients - limits.clients / 8
                    || of_user >= limits.clients_of_a_user
            }
        };
        if is_full {
            let line = "there are too many clients: another one is refused";
            return self.server.core.log().line(line);
        }
        let id = ClientId(self.next_client);
        if self.add(socket.as_fd(), id.0, EventFlags::IN).is_err() {
            return;
        }
        self.next_client += 1;
        *self.of_user.entry(user.as_raw()).or_default() += 1;
        self.server.core.add_client(id, access);
        let connection = Connection {
            socket,
            user: user.as_raw(),
            interest: EventFlags::IN,
        };
        self.connections.insert(id, connection);
    }

    fn pause_accepting(&mut self) {
        if self.accepts_from.is_some() {
            return;
        }
        self.server
            .core
            .log()
            .line("no descriptor is left for another client");
        let listeners = &self.server.listeners;
        for listener in [&listeners.read_write, &listeners.read_only] {
            // It was added; should that fail, the loop comes back here.
            let _removed = epoll::delete(&self.epoll, listener);
        }
        self.accepts_from = Some(Instant::now() + ACCEPT_PAUSE);
    }

    /// Something is to be read from a client, or can be sent to it.
    pub(super) fn client(&mut self, id: ClientId, flags: EventFlags, buffer: &mut [u8]) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        if flags.contains(EventFlags::OUT) {
            self.send_to(id);
        } else if flags.contains(EventFlags::IN) {
            match recv(&connection.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => {
                    self.server.core.no_more_from(id);
                }
                Ok((got, _)) => {
                    let now = Instant::now();
                    self.server.core.receive(id, &buffer[..got], now);
                    self.keep_time_of(id, now);
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => self.close(id),
            }
        } else {
            // It is gone for good: nothing can be sent to it either.
            self.close(id);
        }
    }

    /// Sends to a client what it takes.
    pub(super) fn send_to(&mut self, id: ClientId) {
        for _ in 0..SENDS_AT_ONCE {
            let Some(connection) = self.connections.get(&id) else {
                return;
            };
            if self.server.core.is_ended(id) {
                return self.close(id);
            }
            let waiting = self.server.core.waiting(id);
            if waiting.is_empty() {
                break;
            }
            // Without SIGPIPE, whatever the starter of this process had set.
            match send(&connection.socket, waiting, SendFlags::NOSIGNAL) {
                Ok(count) => {
                    let now = Instant::now();
                    self.server.core.sent(id, count, now);
                    // What was held back until now may end with a part of a message.
                    self.keep_time_of(id, now);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return self.close(id),
            }
        }
        if self.server.core.is_ended(id) {
            return self.close(id);
        }
        self.wait_for(id);
    }

    /// A message of this client may be begun and not whole: it has a time to end.
    fn keep_time_of(&mut self, id: ClientId, now: Instant) {
        if self.sweep_at.is_none() && self.server.core.is_partial(id) {
            self.sweep_at = Some(now + SWEEP_EVERY);
        }
    }

    fn wait_for(&mut self, id: ClientId) {
        let core = &self.server.core;
        let mut interest = EventFlags::empty();
        interest.set(EventFlags::IN, core.wants_input(id));
        interest.set(EventFlags::OUT, !core.waiting(id).is_empty());
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.interest == interest {
            return;
        }
        connection.interest = interest;
        let data = EventData::new_u64(id.0);
        if epoll::modify(&self.epoll, &connection.socket, data, interest).is_err() {
            self.close(id);
        }
    }

    fn close(&mut self, id: ClientId) {
        self.server.core.remove_client(id);
        if let Some(connection) = self.connections.remove(&id) {
            if let Some(count) = self.of_user.get_mut(&connection.user) {
                *count -= 1;
                if *count == 0 {
                    self.of_user.remove(&connection.user);
                }
            }
        }
    }
}
