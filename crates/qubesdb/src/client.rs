//! The client: one connection, one command at a time, and events in the order of their arrival.

mod connection;
mod events;

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::fd::BorrowedFd;
use std::thread;
use std::time::{Duration, Instant};

use self::connection::Connection;
use self::events::RECONNECT_EVERY;
pub use self::events::{Event, MAX_EVENTS};
use crate::address::Address;
use crate::error::{Error, Invalid};
use crate::header::{HEADER_LEN, Header, Kind, append_message};
use crate::path::Path;
use crate::value::Value;

/// How long a call waits for the daemon unless it is told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest answer in bytes, with its headers, that is taken in.
pub const MAX_ANSWER_LEN: usize = 256 << 20;

/// A connection to a daemon.
///
/// A call that finds the connection closed connects again, once, sets the watches again, and is
/// repeated.
#[derive(Debug)]
pub struct Client {
    address: Address,
    timeout: Option<Duration>,
    connection: Option<Connection>,
    watches: Vec<Path>,
    events: VecDeque<Event>,
}

impl Client {
    /// Connects to the read-write socket, or, where that cannot be, to the read-only one.
    ///
    /// # Errors
    /// No daemon listens there.
    pub fn open(address: Address) -> Result<Self, Error> {
        let mut client = Self {
            address,
            timeout: Some(DEFAULT_TIMEOUT),
            connection: None,
            watches: Vec::new(),
            events: VecDeque::new(),
        };
        client.connect()?;
        Ok(client)
    }

    /// As [`open`](Self::open), but waits until the daemon is there, at most this long.
    ///
    /// # Errors
    /// Those of the last attempt.
    pub fn open_within(address: &Address, patience: Duration) -> Result<Self, Error> {
        let started = Instant::now();
        loop {
            match Self::open(address.clone()) {
                Err(_) if started.elapsed() < patience => thread::sleep(RECONNECT_EVERY),
                opened => return opened,
            }
        }
    }

    /// Sets how long a call waits for the daemon; `None`: as long as it takes.
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        self.timeout = timeout;
        match &self.connection {
            Some(connection) => connection.set_timeout(timeout).map_err(Error::Gone),
            None => Ok(()),
        }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`Error::Missing`]: there is no such key.
    pub fn read(&mut self, path: &Path) -> Result<Value, Error> {
        demand_absolute(path)?;
        self.call(Kind::Read, path, &[], |client, started| {
            let (header, data) = client.answer(started)?;
            match header.kind {
                Kind::ReadAnswer => value(&data),
                other => Err(not_obeyed(other)),
            }
        })
    }

    /// Writes a key.
    ///
    /// # Errors
    /// [`Error::Refused`]: over the read-only socket, or a limit of the daemon.
    pub fn write(&mut self, path: &Path, value: &Value) -> Result<(), Error> {
        demand_absolute(path)?;
        if !path.is_key() {
            return Err(Invalid::PathIsFolder.into());
        }
        self.obeyed(Kind::Write, path, value.as_bytes())
    }

    /// Removes a key or, if `path` ends with `/`, all below; whether there was any.
    ///
    /// # Errors
    /// [`Error::Refused`]: over the read-only socket.
    pub fn remove(&mut self, path: &Path) -> Result<bool, Error> {
        demand_absolute(path)?;
        found(self.obeyed(Kind::Rm, path, &[]))
    }

    /// All keys that begin with the text of `prefix`, sorted by their bytes. `/a` also finds `/ab`.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub fn list(&mut self, prefix: &Path) -> Result<Vec<Path>, Error> {
        demand_prefix(prefix)?;
        let entries = self.entries(Kind::List, Kind::ListAnswer, prefix)?;
        Ok(entries.into_iter().map(|(path, _)| path).collect())
    }

    /// The same keys with their values. With an empty `prefix` they come in reverse order.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub fn multiread(&mut self, prefix: &Path) -> Result<Vec<(Path, Value)>, Error> {
        demand_prefix(prefix)?;
        self.entries(Kind::Multiread, Kind::MultireadAnswer, prefix)
    }

    /// Asks to be told when `path` changes or, if it ends with `/`, anything below. It need not
    /// exist. A path that is watched twice is told twice.
    ///
    /// # Errors
    /// The daemon cannot be asked, or watches too much already.
    pub fn watch(&mut self, path: &Path) -> Result<(), Error> {
        demand_absolute(path)?;
        self.obeyed(Kind::Watch, path, &[])?;
        self.watches.push(*path);
        Ok(())
    }

    /// Takes one watch of `path` back; whether there was one. Events under way still come.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub fn unwatch(&mut self, path: &Path) -> Result<bool, Error> {
        demand_absolute(path)?;
        let known = self.watches.iter().position(|watched| watched == path);
        if let Some(at) = known {
            self.watches.remove(at);
        }
        // After a reconnect it is not set again, so the daemon does not know it.
        Ok(found(self.obeyed(Kind::Unwatch, path, &[]))? || known.is_some())
    }

    /// What becomes readable when there may be an event; `None` while there is no connection. It
    /// changes with [`Event::Reconnected`].
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.connection.as_ref().map(Connection::descriptor)
    }

    fn obeyed(&mut self, kind: Kind, path: &Path, data: &[u8]) -> Result<(), Error> {
        self.call(kind, path, data, |client, started| {
            match client.answer(started)?.0.kind {
                Kind::Ok => Ok(()),
                other => Err(not_obeyed(other)),
            }
        })
    }

    fn entries(
        &mut self,
        command: Kind,
        answer: Kind,
        prefix: &Path,
    ) -> Result<Vec<(Path, Value)>, Error> {
        self.call(command, prefix, &[], |client, started| {
            let mut entries = Vec::new();
            let mut room = MAX_ANSWER_LEN;
            loop {
                let (header, data) = client.answer(started)?;
                if header.kind != answer {
                    return Err(not_obeyed(header.kind));
                }
                if header.path == Path::EMPTY {
                    return Ok(entries);
                }
                room = room
                    .checked_sub(HEADER_LEN + data.len())
                    .ok_or(Error::Protocol("an answer that does not end"))?;
                entries.push((header.path, value(&data)?));
            }
        })
    }

    /// Sends a command and has its answer read. A connection that was closed is made again.
    fn call<T>(
        &mut self,
        kind: Kind,
        path: &Path,
        data: &[u8],
        read_answer: impl Fn(&mut Self, Instant) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut message = Vec::with_capacity(HEADER_LEN + data.len());
        append_message(&mut message, kind, path, data);
        for is_last in [false, true] {
            if self.connection.is_none() {
                self.connect()?;
            }
            let ended = self
                .send(&message)
                .and_then(|()| read_answer(self, Instant::now()));
            match ended {
                Err(Error::Gone(_)) if !is_last => self.connection = None,
                Err(error @ (Error::Gone(_) | Error::TimedOut | Error::Protocol(_))) => {
                    // The rest of an answer may still come: it must not be taken for the next one.
                    self.connection = None;
                    return Err(error);
                }
                other => return other,
            }
        }
        Err(Error::Gone(ErrorKind::ConnectionReset.into()))
    }

    fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        self.connected()?.send(message)
    }

    /// The next message that is not an event.
    fn answer(&mut self, started: Instant) -> Result<(Header, Vec<u8>), Error> {
        loop {
            if let Some((header, data)) = self.connected()?.next_message()? {
                if header.kind != Kind::Changed {
                    return Ok((header, data));
                }
                self.keep_event(header.path)?;
                continue;
            }
            left(started, self.timeout)?;
            self.connected()?.fill()?;
        }
    }

    fn connected(&mut self) -> Result<&mut Connection, Error> {
        self.connection
            .as_mut()
            .ok_or_else(|| Error::Gone(ErrorKind::NotConnected.into()))
    }

    /// Makes the connection and sets the watches.
    fn connect(&mut self) -> Result<(), Error> {
        let connection = Connection::open(self.address.read_write(), self.timeout)
            .or_else(|_| Connection::open(self.address.read_only(), self.timeout))
            .map_err(Error::Gone)?;
        self.connection = Some(connection);
        if self.watches.is_empty() {
            return Ok(());
        }
        let set = self.set_watches();
        if set.is_err() {
            self.connection = None;
            return set;
        }
        if self.events.back() != Some(&Event::Reconnected) {
            self.events.push_back(Event::Reconnected);
        }
        Ok(())
    }

    fn set_watches(&mut self) -> Result<(), Error> {
        for watched in self.watches.clone() {
            let mut message = Vec::with_capacity(HEADER_LEN);
            append_message(&mut message, Kind::Watch, &watched, &[]);
            self.send(&message)?;
            match self.answer(Instant::now())?.0.kind {
                Kind::Ok => {}
                other => return Err(not_obeyed(other)),
            }
        }
        Ok(())
    }
}

/// What is left of the time; an error if nothing is.
fn left(started: Instant, timeout: Option<Duration>) -> Result<Option<Duration>, Error> {
    match timeout {
        None => Ok(None),
        Some(timeout) => match timeout.checked_sub(started.elapsed()) {
            Some(left) => Ok(Some(left)),
            None => Err(Error::TimedOut),
        },
    }
}

fn value(untrusted_data: &[u8]) -> Result<Value, Error> {
    Value::parse(untrusted_data).map_err(|_| Error::Protocol("a value with a NUL"))
}

fn not_obeyed(kind: Kind) -> Error {
    match kind {
        Kind::Missing => Error::Missing,
        Kind::Refused => Error::Refused,
        _ => Error::Protocol("an answer to something else"),
    }
}

fn found(ended: Result<(), Error>) -> Result<bool, Error> {
    match ended {
        Ok(()) => Ok(true),
        Err(Error::Missing) => Ok(false),
        Err(error) => Err(error),
    }
}

fn demand_absolute(path: &Path) -> Result<(), Error> {
    match path.as_bytes().first() {
        Some(b'/') => Ok(()),
        _ => Err(Invalid::PathNotAbsolute.into()),
    }
}

fn demand_prefix(prefix: &Path) -> Result<(), Error> {
    match *prefix == Path::EMPTY {
        true => Ok(()),
        false => demand_absolute(prefix),
    }
}

#[cfg(test)]
mod tests;
