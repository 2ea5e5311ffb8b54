//! The event loop: descriptors and times around [`Core`]. Nothing in it blocks but waiting for all of
//! them at once. `clients` and `peer` do what an event asks for.

mod clients;
mod peer;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use program::failure::Failure;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use vchan_socket::Link;

use self::clients::Connection;
use crate::core::{Access, ClientId, Core};
use crate::files::Listeners;
use crate::limits::Limits;

// What an event is about; clients count up from there.
const SIGNALS: u64 = 0;
const STDIN: u64 = 1;
const READ_WRITE: u64 = 2;
const READ_ONLY: u64 = 3;
const LINK: u64 = 4;
const FIRST_CLIENT: u64 = 16;

/// Most bytes that are read from one client before the others have their turn.
const READ_AT_ONCE: usize = 16 << 10;

/// How often messages that are not whole are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// How long no client, and no other daemon, is taken after the system had no descriptor for one.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

const LOG_REFILL_EVERY: Duration = Duration::from_secs(3600);

/// Everything the daemon works with.
pub(crate) struct Server {
    pub(crate) core: Core,
    pub(crate) limits: Limits,
    pub(crate) listeners: Listeners,
    pub(crate) link: Option<Box<dyn Link>>,
    pub(crate) signals: SignalFd,
    pub(crate) ends_with_stdin: bool,
    pub(crate) first_sync: Duration,
}

/// What tells this process to end, as a descriptor.
pub(crate) fn signals() -> Result<SignalFd, Failure> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.add(Signal::SIGINT);
    set.thread_block()
        .and_then(|()| {
            let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
            SignalFd::with_flags(&set, flags)
        })
        .map_err(|errno| Failure::of("cannot listen to signals")(io::Error::from(errno)))
}

impl Server {
    /// Serves until it is told to end. `ready` is called when clients are served.
    pub(crate) fn run(self, ready: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let epoll =
            epoll::create(CreateFlags::CLOEXEC).map_err(Failure::of("cannot wait for events"))?;
        let now = Instant::now();
        let running = Running {
            serves_from: now + self.first_sync,
            server: self,
            epoll,
            connections: HashMap::new(),
            of_user: HashMap::new(),
            next_client: FIRST_CLIENT,
            is_serving: false,
            accepts_from: None,
            link_from: Some(now),
            link_interest: None,
            has_met_peer: false,
            sweep_at: None,
            refill_at: now + LOG_REFILL_EVERY,
        };
        running.run(ready)
    }
}

struct Running {
    server: Server,
    epoll: OwnedFd,
    connections: HashMap<ClientId, Connection>,
    // How many clients each user has.
    of_user: HashMap<u32, usize>,
    next_client: u64,
    is_serving: bool,
    // When to serve without what dom0 has.
    serves_from: Instant,
    // Set while no client is taken, for want of descriptors.
    accepts_from: Option<Instant>,
    // When to look for the other daemon again; None: its descriptor will say it.
    link_from: Option<Instant>,
    link_interest: Option<EventFlags>,
    has_met_peer: bool,
    sweep_at: Option<Instant>,
    refill_at: Instant,
}

/// Told to end.
struct End;

impl Running {
    fn run(mut self, ready: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let mut ready = Some(ready);
        self.add(self.server.signals.as_fd(), SIGNALS, EventFlags::IN)?;
        if self.server.ends_with_stdin {
            self.add(io::stdin().as_fd(), STDIN, EventFlags::IN)?;
        }
        let mut events: Vec<Event> = Vec::with_capacity(256);
        let mut buffer = vec![0; READ_AT_ONCE];
        loop {
            self.keep_time()?;
            if self.is_serving {
                if let Some(ready) = ready.take() {
                    ready()?;
                }
            }
            let wait = self
                .next_time()
                .map(|at| at.saturating_duration_since(Instant::now()));
            let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                wait.as_ref(),
            ) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(Failure::of("cannot wait for events")(error)),
            }
            for event in &events {
                let (about, flags) = (event.data.u64(), event.flags);
                let ended = match about {
                    SIGNALS => Err(End),
                    STDIN => self.stdin(&mut buffer),
                    READ_WRITE => {
                        self.accept(Access::ReadWrite);
                        Ok(())
                    }
                    READ_ONLY => {
                        self.accept(Access::ReadOnly);
                        Ok(())
                    }
                    LINK => {
                        self.link(&mut buffer)?;
                        Ok(())
                    }
                    client => {
                        self.client(ClientId(client), flags, &mut buffer);
                        Ok(())
                    }
                };
                if let Err(End) = ended {
                    return Ok(());
                }
                self.settle();
            }
        }
    }

    fn add(&self, source: BorrowedFd<'_>, about: u64, flags: EventFlags) -> Result<(), Failure> {
        epoll::add(&self.epoll, source, EventData::new_u64(about), flags)
            .map_err(Failure::of("cannot wait for events"))
    }

    /// Does what is due.
    fn keep_time(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if !self.is_serving && (self.server.core.is_synchronised() || now >= self.serves_from) {
            if !self.server.core.is_synchronised() {
                let line = "dom0 did not answer in time: clients are served without what it has";
                self.server.core.log().line(line);
            }
            self.is_serving = true;
            self.accepts_from = Some(now);
        }
        if self.is_serving && self.accepts_from.is_some_and(|at| now >= at) {
            self.accepts_from = None;
            let listeners = &self.server.listeners;
            self.add(listeners.read_write.as_fd(), READ_WRITE, EventFlags::IN)?;
            self.add(listeners.read_only.as_fd(), READ_ONLY, EventFlags::IN)?;
        }
        if self.link_from.is_some_and(|at| now >= at) {
            self.look_for_peer(now)?;
        }
        if self.sweep_at.is_some_and(|at| now >= at) {
            self.sweep_at = self.server.core.sweep(now).then_some(now + SWEEP_EVERY);
            self.settle();
        }
        if now >= self.refill_at {
            self.refill_at = now + LOG_REFILL_EVERY;
            self.server.core.log().refill();
        }
        Ok(())
    }

    fn next_time(&self) -> Option<Instant> {
        let serving = (!self.is_serving).then_some(self.serves_from);
        let times = [serving, self.accepts_from, self.link_from, self.sweep_at];
        times.into_iter().flatten().min()
    }

    /// Sends what waits, and disconnects who is to be.
    fn settle(&mut self) {
        loop {
            let touched = self.server.core.touched();
            if touched.is_empty() {
                break;
            }
            for id in touched {
                self.send_to(id);
            }
        }
        self.send_to_peer();
    }

    /// The starter's end of stdin: bytes mean nothing.
    fn stdin(&mut self, buffer: &mut [u8]) -> Result<(), End> {
        match rustix::io::read(io::stdin(), buffer) {
            Ok(0) => Err(End),
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => Ok(()),
            Err(_) => Err(End),
        }
    }
}
