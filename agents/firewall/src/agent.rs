//! The agent: rules from QubesDB to the kernel, for as long as it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use firewall::{
    Client, Family, HostName, KnownAddresses, Policy, SetName, Verdict, name_servers, nft, verdict,
};
use netlink::Part;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use program::failure::Failure;
use qubesdb::{Address, Error as DbError, Event, Path, Value, folder};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use text::foreign;

use crate::clients::{Blocked, Chain, State};
use crate::helper::MAX_MESSAGE_LEN;
use crate::kernel::nftables::Tables;
use crate::kernel::{Batch, Kernel, nftables};
use crate::names::Names;
use crate::notices::Notices;
use crate::resolver::{self, RESOLV_CONF};
use crate::systemd::Systemd;
use crate::{confine, flows, hooks};

/// The rules.
const RULES: &str = "/qubes-firewall/";

/// How often a text was read, by its text.
const HANDLED: &str = "/qubes-firewall-handled/";

/// The addresses of names, as they are in force.
const DNS: &str = "/dns/";

/// The addresses of connected qubes, IPv4 and IPv6.
const CONNECTED: [&str; 2] = ["/connected-ips", "/connected-ips6"];

/// Who is told when a qube is blocked.
const DEFAULT_USER: &str = "/default-user";

/// How many addresses are applied in one step when all are read.
const AT_ONCE: usize = 32;

/// Most bytes of `/etc/resolv.conf` that are read.
const MAX_RESOLV_CONF_LEN: u64 = 64 << 10;

/// How often a daemon of QubesDB that went away is looked for.
const LOOK_FOR_DAEMON: Duration = Duration::from_millis(500);

/// Runs until it is told to end.
pub(crate) fn run() -> Result<(), Failure> {
    let signals = signals().map_err(Failure::of("cannot listen to signals"))?;
    let systemd = Systemd::from_environment();
    let mut kernel = Kernel::open(Part::Netfilter).map_err(cannot_reach_kernel)?;
    // From here on nothing that comes from a qube passes.
    close(&mut kernel, &BTreeSet::new()).map_err(cannot_reach_kernel)?;
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

/// Makes both tables, closed but for these connected qubes' addresses.
fn close(kernel: &mut Kernel, connected: &BTreeSet<IpAddr>) -> io::Result<()> {
    let mut commit = |tables| {
        let mut batch = Batch::new();
        batch.start(&current_name_servers(), tables);
        for family in Family::ALL {
            batch.replace_connected(family, connected);
        }
        kernel.commit(batch.into())
    };
    // Tables of another program may have chains of the same names on other hooks.
    commit(Tables::Kept).or_else(|_| commit(Tables::Anew))
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

fn current_name_servers() -> BTreeSet<IpAddr> {
    let mut text = Vec::new();
    if let Ok(file) = fs::File::open(RESOLV_CONF) {
        // What cannot be read has no servers.
        let _got = file.take(MAX_RESOLV_CONF_LEN).read_to_end(&mut text);
    }
    name_servers(&text)
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

    /// Reads everything again.
    fn load_all(&mut self) -> Result<(), Failure> {
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
    fn load(&mut self, text: &str, times: u64) -> Result<Option<Client>, Failure> {
        let client = self.read(text, times);
        if let Some(client) = client {
            self.apply(client)?;
            self.remove_unused_sets();
        }
        Ok(client)
    }

    /// Reads the rules of the address that is written `text`; the kernel is told nothing yet.
    fn read(&mut self, text: &str, times: u64) -> Option<Client> {
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

    /// Has the kernel enforce what is known of these addresses, in one step: the kernel looks at
    /// the whole table in each. Where it refuses, each has a step of its own.
    fn apply_together(&mut self, clients: &[Client]) -> Result<(), Failure> {
        let dns = current_name_servers();
        let mut batch = Batch::new();
        let mut chains = Vec::new();
        // What the batch replaces already is not replaced twice.
        let mut replaced = BTreeSet::new();
        for client in clients {
            let Some(state) = self.clients.get(client) else {
                continue;
            };
            let family = client.family();
            let policy = state.in_force(*client, &self.names).ok();
            let mut sets = Vec::new();
            for name in policy.map(Policy::hosts).unwrap_or_default() {
                let addresses = self.names.addresses(&name, family);
                let set = SetName::Host(name);
                if replaced.insert((family, set.clone())) {
                    sets.push((set, addresses));
                }
            }
            batch.replace(&nftables::Chain {
                client: *client,
                is_new: state.chain == Chain::Missing,
                lines: nft::lines(policy),
                sets,
                dns: replaced.insert((family, SetName::Dns)).then_some(&dns),
            });
            let chain = policy.map_or(Chain::Blocking, |_| Chain::Rules);
            chains.push((*client, chain));
        }
        if self.kernel.commit(batch.into()).is_err() {
            for client in clients {
                self.apply(*client)?;
            }
            return Ok(());
        }
        let of_names = |(_, set): &(Family, SetName)| *set != SetName::Dns;
        self.sets.extend(replaced.into_iter().filter(of_names));
        for (client, chain) in chains {
            self.set_chain(client, chain);
        }
        Ok(())
    }

    /// Has the kernel enforce what is known of an address.
    fn apply(&mut self, client: Client) -> Result<(), Failure> {
        if self.try_rules(client) || self.try_blocking(client) {
            return Ok(());
        }
        // Somebody has taken the tables away, or put something in their place.
        say("the tables are not as they were left, so they are made anew");
        self.rebuild()
    }

    /// Makes the tables anew, closed; then the chain of each address.
    fn rebuild(&mut self) -> Result<(), Failure> {
        close(&mut self.kernel, &self.connected).map_err(cannot_reach_kernel)?;
        self.sets.clear();
        let clients: Vec<Client> = self.clients.keys().copied().collect();
        for client in &clients {
            if let Some(state) = self.clients.get_mut(client) {
                state.chain = Chain::Missing;
            }
        }
        for client in clients {
            // An address without a chain is closed.
            let _closed = self.try_rules(client) || self.try_blocking(client);
        }
        Ok(())
    }

    /// Puts the rules of an address in force; `false`: nothing has changed.
    fn try_rules(&mut self, client: Client) -> bool {
        let Some(state) = self.clients.get(&client) else {
            return false;
        };
        let Ok(policy) = state.in_force(client, &self.names) else {
            return false;
        };
        let family = client.family();
        let hosts = policy.hosts().into_iter();
        let sets: Vec<(SetName, Vec<IpAddr>)> = hosts
            .map(|name| {
                let addresses = self.names.addresses(&name, family);
                (SetName::Host(name), addresses)
            })
            .collect();
        let names: Vec<SetName> = sets.iter().map(|(set, _)| set.clone()).collect();
        let lines = nft::lines(Some(policy));
        let committed = self.commit(client, lines, sets);
        if committed {
            self.sets.extend(names.into_iter().map(|set| (family, set)));
            self.set_chain(client, Chain::Rules);
        }
        committed
    }

    /// Blocks an address; `false`: nothing has changed.
    fn try_blocking(&mut self, client: Client) -> bool {
        let committed = self.commit(client, nft::lines(None), Vec::new());
        if committed {
            self.set_chain(client, Chain::Blocking);
        }
        committed
    }

    fn set_chain(&mut self, client: Client, chain: Chain) {
        if let Some(state) = self.clients.get_mut(&client) {
            state.chain = chain;
        }
    }

    fn commit(
        &mut self,
        client: Client,
        lines: Vec<firewall::Line>,
        sets: Vec<(SetName, Vec<IpAddr>)>,
    ) -> bool {
        let Some(state) = self.clients.get_mut(&client) else {
            return false;
        };
        let mut batch = Batch::new();
        batch.replace(&nftables::Chain {
            client,
            is_new: state.chain == Chain::Missing,
            lines,
            sets,
            dns: Some(&current_name_servers()),
        });
        let committed = self.kernel.commit(batch.into());
        if let Err(error) = &committed {
            say(format_args!(
                "the kernel refused the chain of {client}: {error}"
            ));
        }
        committed.is_ok()
    }

    /// Says what has become of an address, and answers whoever asked, once all its names have been
    /// looked up.
    fn settle(&mut self, client: Client) {
        let Some(state) = self.clients.get_mut(&client) else {
            return;
        };
        if !state.is_settled(&self.names) {
            return;
        }
        let why = match (state.in_force(client, &self.names), state.chain) {
            (Err(why), _) => Some(why),
            (Ok(_), Chain::Rules) => None,
            (Ok(_), _) => Some(Blocked::NotApplied("the reason stands above".to_owned())),
        };
        let said = std::mem::replace(&mut state.said, why.clone());
        if let Some(why) = why.filter(|why| Some(why) != said.as_ref()) {
            say(format_args!("{client} is blocked: {why}"));
            if said.is_none() && why != Blocked::NoEntries {
                self.notices.show(&format!(
                    "The qube with the address {client} is blocked: {why}"
                ));
            }
        }
        let unanswered = std::mem::take(&mut state.unanswered);
        let texts = state
            .texts
            .iter()
            .chain(unanswered.keys())
            .cloned()
            .collect();
        self.publish_names(client, texts);
        for (text, times) in unanswered {
            self.answer(&text, times);
        }
    }

    /// Counts `/qubes-firewall-handled/TEXT` up, which says that the rules were read.
    fn answer(&mut self, text: &str, times: u64) {
        let Ok(handled) = Path::key(format!("{HANDLED}{text}").as_bytes()) else {
            return;
        };
        let count = self.db.read(&handled).ok();
        let count =
            count.and_then(|count| std::str::from_utf8(count.as_bytes()).ok()?.parse().ok());
        let count = count.unwrap_or(0_u64).wrapping_add(times);
        self.write(&handled, &count.to_string());
    }

    /// Writes the addresses of the names of an address to `/dns/ADDR/NAME`.
    fn publish_names(&mut self, client: Client, texts: BTreeSet<String>) {
        let Some(state) = self.clients.get(&client) else {
            return;
        };
        let hosts = state.hosts();
        for text in texts {
            let below = format!("{DNS}{text}/");
            if let Err(error) = self.db.remove(&path(&below)) {
                say(format_args!(
                    "cannot remove \"{below}\" from QubesDB: {error}"
                ));
            }
            for name in &hosts {
                let Ok(key) = Path::key(format!("{below}{name}").as_bytes()) else {
                    say(format_args!(
                        "\"{below}{name}\" is too long for QubesDB, and left out"
                    ));
                    continue;
                };
                let addresses = self.names.addresses(name, client.family());
                self.write(&key, &as_python_set(&addresses));
            }
        }
    }

    fn write(&mut self, key: &Path, value: &str) {
        let written = Value::parse(value.as_bytes())
            .map_err(DbError::from)
            .and_then(|value| self.db.write(key, &value));
        if let Err(error) = written {
            say(format_args!("cannot write \"{key}\" to QubesDB: {error}"));
        }
    }

    /// Reads which qubes are connected.
    fn load_connected(&mut self) -> Result<(), Failure> {
        self.connected.clear();
        for (key, family) in CONNECTED.into_iter().zip(Family::ALL) {
            let value = match self.db.read(&path(key)) {
                Ok(value) => value,
                Err(DbError::Missing) => continue,
                Err(error) => {
                    say(format_args!("cannot read \"{key}\" from QubesDB: {error}"));
                    continue;
                }
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

    /// Cuts the connections of an address, or of all, that its rules forbid.
    fn cut(&mut self, families: &[Family], of: Option<Client>) {
        let known = KnownAddresses {
            dns: current_name_servers(),
            hosts: self.names.all(),
        };
        let (clients, names) = (&self.clients, &self.names);
        let cut = flows::cut(&mut self.kernel, families, |connection| {
            if of.is_some_and(|client| client != connection.client) {
                return false;
            }
            let Some(state) = clients.get(&connection.client) else {
                return false;
            };
            let policy = state.in_force(connection.client, names).ok();
            let policy = policy.filter(|_| state.chain == Chain::Rules);
            policy
                .is_none_or(|policy| verdict(policy, &connection.packet, &known) == Verdict::Reject)
        });
        if let Err(error) = cut {
            say(format_args!(
                "cannot cut the connections that the rules forbid: {error}"
            ));
        }
    }

    fn ask_resolver(&mut self) {
        for name in self.names.take_due(Instant::now()) {
            // What cannot be sent is asked again when there was no answer.
            let _lost = self.resolver.send(name.as_str().as_bytes());
        }
        // A name that nobody answered for in time counts as looked up.
        let clients = self.clients.iter();
        let waiting = clients.filter(|(_, state)| !state.unanswered.is_empty());
        let waiting: Vec<Client> = waiting.map(|(client, _)| *client).collect();
        for client in waiting {
            self.settle(client);
        }
    }

    fn hear_resolver(&mut self) -> Result<(), Failure> {
        let mut message = vec![0; MAX_MESSAGE_LEN];
        loop {
            let len = match self.resolver.recv(&mut message) {
                Ok(0) => {
                    return Err(Failure::new("the resolver ended"));
                }
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    return Err(Failure::new("cannot hear from the resolver").because(error));
                }
            };
            let Some(answer) = resolver::read(&message[..len]) else {
                say("the resolver gave an answer that is none, which is ignored");
                continue;
            };
            let name = answer.name.clone();
            if self.names.take_in(answer, Instant::now()) {
                self.name_has_changed(&name)?;
            }
        }
    }

    /// A name has other addresses, or has been looked up for the first time.
    fn name_has_changed(&mut self, name: &HostName) -> Result<(), Failure> {
        let set = SetName::Host(name.clone());
        let mut batch = Batch::new();
        let mut is_in_use = false;
        for family in Family::ALL {
            if self.sets.contains(&(family, set.clone())) {
                let addresses = self.names.addresses(name, family);
                batch.replace_set(family, &set, addresses.into_iter());
                is_in_use = true;
            }
        }
        if is_in_use {
            if let Err(error) = self.kernel.commit(batch.into()) {
                say(format_args!(
                    "the kernel refused the addresses of a name: {error}"
                ));
                self.rebuild()?;
            }
        }
        let users = self
            .clients
            .iter()
            .filter(|(_, state)| state.hosts().contains(name));
        let users: Vec<(Client, Chain)> = users
            .map(|(client, state)| (*client, state.chain))
            .collect();
        for (client, chain) in users {
            if chain != Chain::Rules {
                self.apply(client)?;
            }
            self.settle(client);
        }
        Ok(())
    }

    /// Deletes the sets of names that no rule needs any more.
    fn remove_unused_sets(&mut self) {
        let used: BTreeSet<(Family, SetName)> = match self.sets.is_empty() {
            true => return,
            false => self
                .clients
                .iter()
                .flat_map(|(client, state)| {
                    let family = client.family();
                    state
                        .hosts()
                        .into_iter()
                        .map(move |name| (family, SetName::Host(name)))
                })
                .collect(),
        };
        let unused: Vec<_> = self.sets.difference(&used).cloned().collect();
        for (family, set) in unused {
            let mut batch = Batch::new();
            batch.delete_set(family, &set);
            // A rule of the user's may still name it.
            let _kept = self.kernel.commit(batch.into());
            self.sets.remove(&(family, set));
        }
    }

    /// Takes the tables away.
    fn end(&mut self) -> Result<(), Failure> {
        for family in Family::ALL {
            let mut batch = Batch::new();
            batch.end(family);
            match self.kernel.commit(batch.into()) {
                // Somebody else has done it.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                other => other.map_err(cannot_reach_kernel)?,
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

/// The form in which the agent of Qubes OS writes addresses: as many as a value of QubesDB holds.
fn as_python_set(addresses: &[IpAddr]) -> String {
    let mut text = String::from("{");
    for address in addresses {
        let separator = if text.len() > 1 { ", " } else { "" };
        let more = format!("{separator}'{address}/{}'", Family::of(*address).bits());
        if text.len() + more.len() + 1 > qubesdb::MAX_VALUE_LEN {
            break;
        }
        text.push_str(&more);
    }
    match text.len() {
        // Python's empty set.
        1 => "set()".to_owned(),
        _ => text + "}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_python_does() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(as_python_set(&[]), "set()");
        assert_eq!(as_python_set(&[address("192.0.2.1")]), "{'192.0.2.1/32'}");
        let both = [address("2001:db8::1"), address("2001:db8::2")];
        assert_eq!(
            as_python_set(&both),
            "{'2001:db8::1/128', '2001:db8::2/128'}"
        );
        let bytes = (0..=u8::MAX).cycle().take(500);
        let many: Vec<IpAddr> = bytes.map(|byte| IpAddr::from([10, 0, 1, byte])).collect();
        assert!(as_python_set(&many).len() <= qubesdb::MAX_VALUE_LEN);
    }
}
