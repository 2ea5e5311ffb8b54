//! The agent: rules from QubesDB to the kernel, for as long as it runs.
//!
//! Here is what it waits for. `load` reads QubesDB, `apply` has the kernel enforce what was read,
//! `lookups` follows the names, and `answer` tells the log, the user and QubesDB.

mod answer;
mod apply;
mod load;
mod lookups;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use firewall::{Client, Family, SetName};
use netlink::Part;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use program::failure::Failure;
use qubesdb::{Address, Error as DbError, Event, Path, folder};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use self::apply::close;
use crate::clients::State;
use crate::kernel::Kernel;
use crate::names::Names;
use crate::notices::Notices;
use crate::resolver;
use crate::systemd::Systemd;
use crate::{confine, hooks};

/// The rules.
const RULES: &str = "/qubes-firewall/";

/// The addresses of connected qubes, IPv4 and IPv6.
const CONNECTED: [&str; 2] = ["/connected-ips", "/connected-ips6"];

/// Who is told when a qube is blocked.
const DEFAULT_USER: &str = "/default-user";

/// How often a daemon of QubesDB that went away is looked for.
const LOOK_FOR_DAEMON: Duration = Duration::from_millis(500);

/// Runs until it is told to end.
pub(crate) fn run() -> Result<(), Failure> {
    let signals = signals().map_err(Failure::of("cannot listen to signals"))?;
    let systemd = Systemd::from_environment();
    let mut kernel = Kernel::open(Part::Netfilter).map_err(cannot_reach_kernel)?;
    // From here on nothing that comes from a qube passes.
    close(&mut kernel, None).map_err(cannot_reach_kernel)?;
    hooks::run_all();
    let resolver = resolver::start().map_err(Failure::of("cannot start the resolver"))?;
    let mut db = qubesdb::Client::open(Address::of_this_qube(&folder()))
        .map_err(|error| cannot_ask(&error))?;
    let user = db.read(&path(DEFAULT_USER)).ok();
    let user = user.and_then(|user| String::from_utf8(user.as_bytes().to_vec()).ok());
    let notices = Notices::start(user.as_deref());
    for watched in [RULES, CONNECTED[0], CONNECTED[1]] {
        db.watch(&path(watched))
            .map_err(|error| cannot_ask(&error))?;
    }
    confine::confine_agent().map_err(Failure::of("cannot confine the agent"))?;
    systemd.ready();
    let mut agent = Agent {
        kernel,
        db,
        resolver,
        notices,
        names: Names::default(),
        clients: BTreeMap::new(),
        connected: BTreeSet::new(),
        sets: BTreeSet::new(),
    };
    agent.load_all()?;
    agent.serve(&signals, &systemd)
}

fn cannot_reach_kernel(error: io::Error) -> Failure {
    Failure::new("cannot change the firewall of the kernel")
        .because(error)
        .advise("the program needs CAP_NET_ADMIN, and a kernel with nf_tables")
}

fn cannot_ask(error: &DbError) -> Failure {
    Failure::new("cannot ask QubesDB").because(error)
}

/// What tells this process to end or to read again, as a descriptor. They are blocked from here on.
fn signals() -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        set.add(signal);
    }
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// A path of this program's own, which is one.
fn path(text: &str) -> Path {
    text.parse().unwrap_or(Path::EMPTY)
}

fn say(text: impl std::fmt::Display) {
    program::say::say(format_args!("qubes-firewall: {text}"));
}

/// What has to be done.
#[derive(Debug, Default)]
struct Work {
    // The texts of addresses, and how often each was asked for.
    texts: BTreeMap<String, u64>,
    connected: bool,
    everything: bool,
}

enum Told {
    Nothing,
    ToReload,
    ToEnd { takes_tables_away: bool },
}

struct Agent {
    kernel: Kernel,
    db: qubesdb::Client,
    resolver: UnixDatagram,
    notices: Notices,
    names: Names,
    clients: BTreeMap<Client, State>,
    connected: BTreeSet<IpAddr>,
    // The sets of names that the kernel has.
    sets: BTreeSet<(Family, SetName)>,
}

impl Agent {
    fn serve(&mut self, signals: &SignalFd, systemd: &Systemd) -> Result<(), Failure> {
        loop {
            self.ask_resolver();
            let work = self.changes()?;
            self.do_all(work)?;
            self.wait(signals)?;
            match told(signals) {
                Told::Nothing => {}
                Told::ToReload => {
                    systemd.reloading();
                    self.names.look_up_all(Instant::now());
                    self.load_all()?;
                    systemd.ready();
                }
                Told::ToEnd { takes_tables_away } => {
                    return if takes_tables_away {
                        self.end()
                    } else {
                        Ok(())
                    };
                }
            }
            self.hear_resolver()?;
        }
    }

    /// Waits for a signal, QubesDB, the resolver, or the time of a name.
    fn wait(&self, signals: &SignalFd) -> Result<(), Failure> {
        if self.db.has_event() && self.db.descriptor().is_some() {
            return Ok(());
        }
        let mut waiting = vec![
            PollFd::new(signals, PollFlags::IN),
            PollFd::new(&self.resolver, PollFlags::IN),
        ];
        let descriptor = self.db.descriptor();
        if let Some(descriptor) = &descriptor {
            waiting.push(PollFd::from_borrowed_fd(descriptor.as_fd(), PollFlags::IN));
        }
        let now = Instant::now();
        let of_names = self
            .names
            .next_due()
            .map(|due| due.saturating_duration_since(now));
        let of_daemon = descriptor.is_none().then_some(LOOK_FOR_DAEMON);
        // Rounded up, so that the time has come when the wait is over.
        let wait = of_names.into_iter().chain(of_daemon).min();
        let wait = wait.and_then(|wait| Timespec::try_from(wait + Duration::from_millis(1)).ok());
        match poll(&mut waiting, wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(Failure::new("cannot wait for events").because(errno)),
        }
    }

    /// All events that are there.
    fn changes(&mut self) -> Result<Work, Failure> {
        let mut work = Work::default();
        let wait = match self.db.descriptor() {
            Some(_) => Duration::ZERO,
            None => Duration::from_millis(1),
        };
        loop {
            match self.db.next_event(Some(wait)) {
                Ok(Event::Reconnected) => work.everything = true,
                Ok(Event::Changed(changed)) => {
                    let changed = changed.as_str();
                    if CONNECTED.contains(&changed) {
                        work.connected = true;
                    } else if let Some(text) = changed.strip_prefix(RULES) {
                        // Entries, and what was removed, have another "/".
                        if !text.is_empty() && !text.contains('/') {
                            *work.texts.entry(text.to_owned()).or_default() += 1;
                        }
                    }
                }
                Err(DbError::TimedOut) => return Ok(work),
                Err(error) => return Err(cannot_ask(&error)),
            }
        }
    }

    fn do_all(&mut self, work: Work) -> Result<(), Failure> {
        if work.everything {
            self.load_all()?;
        }
        // Before anybody is answered, so that what was written first is in force then.
        if work.connected {
            self.load_connected()?;
        }
        for (text, times) in work.texts {
            if let Some(client) = self.load(&text, times)? {
                self.cut(&[client.family()], Some(client));
                self.settle(client);
            }
        }
        Ok(())
    }
}

/// All signals that have come; the last one counts.
fn told(signals: &SignalFd) -> Told {
    let mut told = Told::Nothing;
    while let Ok(Some(signal)) = signals.read_signal() {
        let number = i32::try_from(signal.ssi_signo).unwrap_or(0);
        told = match Signal::try_from(number) {
            Ok(Signal::SIGHUP) => match told {
                Told::ToEnd { .. } => told,
                _ => Told::ToReload,
            },
            Ok(signal) => Told::ToEnd {
                takes_tables_away: signal == Signal::SIGTERM,
            },
            Err(_) => told,
        };
    }
    told
}
