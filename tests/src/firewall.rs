//! A network qube with its firewall: two qubes behind it, a server before it, and QubesDB.
//!
//! ```text
//! client 10.137.0.5 fd09::5 ── vif1.0 ┐
//!                                     firewall ── eth0 ── server 192.0.2.2 … 2001:db8::2 …
//! other  10.137.0.6 fd09::6 ── vif2.0 ┘
//! ```

use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::interrupted::uninterrupted;
use crate::network::{Fate, Namespace, Probe};
use crate::process::wrapped_in;
use crate::programs::program;
use crate::qubesdb::{Daemon, Place, Raw, kind};

/// The address of the first qube behind the firewall.
pub const CLIENT: &str = "10.137.0.5";
/// The same, of IPv6.
pub const CLIENT6: &str = "fd09::5";
/// The address of the other.
pub const OTHER: &str = "10.137.0.6";

/// Addresses of the server.
pub const SERVERS: [&str; 4] = ["192.0.2.2", "192.0.2.130", "198.51.100.7", "203.0.113.9"];
/// The same, of IPv6.
pub const SERVERS6: [&str; 2] = ["2001:db8::2", "2001:db8:1::7"];

/// Nobody waits that long when all is well.
const HANGS_AFTER: Duration = Duration::from_secs(30);

/// The networks.
#[derive(Debug)]
pub struct Networks {
    /// The network qube.
    pub firewall: Namespace,
    /// A qube behind it.
    pub client: Namespace,
    /// Another.
    pub other: Namespace,
    /// What they speak to.
    pub server: Namespace,
}

impl Default for Networks {
    fn default() -> Self {
        Self::new()
    }
}

impl Networks {
    /// All of them, joined.
    #[must_use]
    pub fn new() -> Self {
        let [firewall, client, other, server] = std::array::from_fn(|_| Namespace::new());
        firewall.join("vif1.0", &client, "eth0");
        firewall.join("vif2.0", &other, "eth0");
        firewall.join("eth0", &server, "eth0");
        for (qube, number) in [(&client, 5), (&other, 6)] {
            qube.ip(&format!(
                "addr add 10.137.0.{number}/32 dev eth0\n\
                 addr add fd09::{number}/128 dev eth0 nodad\n\
                 route add 10.138.0.1 dev eth0\n\
                 route add default via 10.138.0.1\n\
                 route add fd0a::1 dev eth0\n\
                 route add default via fd0a::1"
            ));
            qube.set("ipv4/ping_group_range", "0 2147483647");
        }
        let to_qube = |interface, number| {
            format!(
                "addr add 10.138.0.1/32 dev {interface}\n\
                 addr add fd0a::1/128 dev {interface} nodad\n\
                 route add 10.137.0.{number} dev {interface}\n\
                 route add fd09::{number} dev {interface}\n"
            )
        };
        firewall.ip(&format!(
            "{}{}addr add 192.0.2.1/24 dev eth0\naddr add 2001:db8::1/64 dev eth0 nodad\n\
             route add 198.51.100.0/24 via 192.0.2.2\nroute add 203.0.113.0/24 via 192.0.2.2\n\
             route add 2001:db8:1::/64 via 2001:db8::2",
            to_qube("vif1.0", 5),
            to_qube("vif2.0", 6)
        ));
        firewall.set("ipv4/ip_forward", "1");
        firewall.set("ipv6/conf/all/forwarding", "1");
        let addresses = SERVERS.map(|address| format!("addr add {address}/24 dev eth0\n"));
        let addresses6 = SERVERS6.map(|address| format!("addr add {address}/64 dev eth0 nodad\n"));
        server.ip(&format!(
            "{}{}route add default via 192.0.2.1\nroute add default via 2001:db8::1",
            addresses.concat(),
            addresses6.concat()
        ));
        // Nothing is sent but what a test sends, and every rejection is told.
        for namespace in [&firewall, &server] {
            namespace.set("ipv4/icmp_ratelimit", "0");
            namespace.set("ipv4/icmp_msgs_per_sec", "1000000");
            namespace.set("ipv4/icmp_msgs_burst", "1000000");
            namespace.set("ipv6/icmp/ratelimit", "0");
        }
        Self {
            firewall,
            client,
            other,
            server,
        }
    }

    /// What becomes of a packet of the first qube.
    #[must_use]
    pub fn probe(&self, probe: Probe, destination: &str) -> Fate {
        let destination: IpAddr = destination.parse().expect("an address");
        self.client.run(|| probe.to(destination))
    }

    /// What the kernel has, as nft shows it.
    #[must_use]
    pub fn ruleset(&self) -> String {
        self.firewall.feed("nft", &["list", "ruleset"], "")
    }
}

/// QubesDB of the network qube.
#[derive(Debug)]
pub struct Database {
    place: Place,
    daemon: Daemon,
    commands: Raw,
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Database {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Place::new())
    }

    /// An empty one in this place.
    #[must_use]
    pub fn of(place: Place) -> Self {
        let daemon = place.alone();
        let commands = place.raw();
        Self {
            place,
            daemon,
            commands,
        }
    }

    /// Ends its daemon, and starts another, which is empty.
    #[must_use]
    pub fn restarted(self) -> Self {
        let _ended = self.daemon.stop();
        Self::of(self.place)
    }

    /// The folder of the sockets.
    #[must_use]
    pub fn sockets(&self) -> PathBuf {
        self.place.sockets("qube")
    }

    /// Writes a key.
    pub fn write(&mut self, path: &str, value: &[u8]) {
        let code = self.commands.code(kind::WRITE, path, value);
        assert_eq!(code, kind::OK, "{path}");
    }

    /// The value of a key.
    pub fn read(&mut self, path: &str) -> Option<String> {
        let (code, _, value) = self
            .commands
            .call(kind::READ, path, b"")
            .expect("an answer");
        let value = String::from_utf8(value).expect("text");
        (code == kind::READ_ANSWER).then_some(value)
    }

    /// Is there a key, whatever its value is?
    pub fn has(&mut self, path: &str) -> bool {
        self.commands.code(kind::READ, path, b"") == kind::READ_ANSWER
    }

    /// Removes a key or a folder.
    pub fn remove(&mut self, path: &str) {
        let _code = self.commands.code(kind::RM, path, b"");
    }

    /// Writes the rules of an address as dom0 does, without saying that they are there.
    pub fn write_rules(&mut self, address: &str, policy: &str, rules: &[&str]) {
        self.remove(&format!("/qubes-firewall/{address}/"));
        self.write(
            &format!("/qubes-firewall/{address}/policy"),
            policy.as_bytes(),
        );
        for (number, rule) in rules.iter().enumerate() {
            let key = format!("/qubes-firewall/{address}/{number:04}");
            self.write(&key, rule.as_bytes());
        }
    }

    /// Says that the rules of an address are there, and waits until they were read.
    pub fn trigger(&mut self, address: &str) {
        let watch = self.watch(&format!("/qubes-firewall-handled/{address}"));
        self.write(&format!("/qubes-firewall/{address}"), b"");
        watch.wait();
    }

    /// Writes the rules of an address and has them enforced.
    pub fn set_rules(&mut self, address: &str, policy: &str, rules: &[&str]) {
        self.write_rules(address, policy, rules);
        self.trigger(address);
    }

    /// How often an address was read.
    pub fn handled(&mut self, address: &str) -> u64 {
        let handled = self.read(&format!("/qubes-firewall-handled/{address}"));
        handled.map_or(0, |handled| handled.parse().expect("a number"))
    }

    /// Waits until an address was read so often.
    pub fn wait_until_handled(&mut self, address: &str, times: u64) {
        let mut watch = self.watch(&format!("/qubes-firewall-handled/{address}"));
        while self.handled(address) < times {
            watch.next_path();
        }
    }

    /// A watch of a path, from now on.
    #[must_use]
    pub fn watch(&self, path: &str) -> Watch {
        let mut connection = self.place.raw();
        assert_eq!(connection.code(kind::WATCH, path, b""), kind::OK);
        Watch(connection)
    }
}

/// A watch of a path.
#[derive(Debug)]
pub struct Watch(Raw);

impl Watch {
    /// Waits for the next event.
    pub fn wait(mut self) {
        self.next_path();
    }

    /// Waits for the next event; its path.
    pub fn next_path(&mut self) -> String {
        let (code, path, _) = self.0.hear().expect("an event");
        assert_eq!(code, kind::CHANGED);
        path
    }
}

/// The agent at work. It is killed with this.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    lines: Receiver<String>,
    notify: UnixDatagram,
}

impl Agent {
    /// The command, with QubesDB and systemd's socket.
    #[must_use]
    pub fn command(database: &Database, notify: &Path) -> Command {
        let mut command = Command::new(program("qubes-firewall"));
        command
            .env("QUBESDB_DIR", database.sockets())
            .env("NOTIFY_SOCKET", notify)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it in the network qube, without waiting for anything.
    #[must_use]
    pub fn start(networks: &Networks, database: &Database) -> Self {
        Self::start_by(&[], networks, database)
    }

    /// The same, as the last arguments of another program, which becomes it.
    #[must_use]
    pub fn start_by(wrapper: &[&str], networks: &Networks, database: &Database) -> Self {
        let socket = database.sockets().join("notify");
        let _not_there = std::fs::remove_file(&socket);
        let notify = UnixDatagram::bind(&socket).expect("ours");
        notify.set_read_timeout(Some(HANGS_AFTER)).expect("ours");
        let command = Self::command(database, &socket);
        let mut command = match wrapper {
            [] => command,
            // It sees and says what the agent would.
            wrapper => {
                let mut wrapped = wrapped_in(wrapper, &command);
                wrapped.stdin(Stdio::null()).stderr(Stdio::piped());
                wrapped
            }
        };
        let mut child = networks
            .firewall
            .run(|| command.spawn())
            .expect("it can be started");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (said, lines) = channel();
        // Always read, so that the agent never waits for the test.
        thread::spawn(move || {
            for line in stderr.lines() {
                // Nobody may listen any more.
                let _unheard = said.send(line.expect("text"));
            }
        });
        Self {
            child,
            lines,
            notify,
        }
    }

    /// Starts it, and waits until it has read the rules of each of these addresses, and all rules
    /// once more.
    #[must_use]
    pub fn started(networks: &Networks, database: &Database, addresses: &[&str]) -> Self {
        let watches = addresses
            .iter()
            .map(|address| database.watch(&format!("/qubes-firewall-handled/{address}")));
        let watches: Vec<_> = watches.collect();
        let agent = Self::start(networks, database);
        agent.wait_for("READY=1");
        watches.into_iter().for_each(Watch::wait);
        // It is ready before it has read everything; what it has begun is done before it heeds a
        // signal. So no answer comes later that a test could take for its own.
        agent.signal(Signal::HUP);
        agent.wait_for("RELOADING=1");
        agent.wait_for("READY=1");
        agent
    }

    /// Waits until systemd would be told this.
    pub fn wait_for(&self, state: &str) {
        let message = self.told();
        assert!(message.split('\n').any(|line| line == state), "{message:?}");
    }

    /// What systemd would be told next.
    fn told(&self) -> String {
        let mut message = [0; 200];
        let len = uninterrupted(|| self.notify.recv(&mut message)).expect("it is told in time");
        String::from_utf8_lossy(&message[..len]).into_owned()
    }

    /// Waits until systemd would be told this; `false`: it ends before.
    #[must_use]
    pub fn reaches(&self, state: &str) -> bool {
        let pid = Pid::from_child(&self.child);
        let end = pidfd_open(pid, PidfdFlags::empty()).expect("nobody has waited for it");
        let patience = Timespec::try_from(HANGS_AFTER).expect("some seconds");
        loop {
            let mut ready = [
                PollFd::new(&self.notify, PollFlags::IN),
                PollFd::new(&end, PollFlags::IN),
            ];
            let count = retry_on_intr(|| poll(&mut ready, Some(&patience)));
            let count = count.expect("they can be polled");
            assert!(count > 0, "neither {state:?} is told nor does it end");
            if ready[0].revents().is_empty() {
                return false;
            }
            let message = self.told();
            if message.split('\n').any(|line| line == state) {
                return true;
            }
        }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line on stderr that has `text` in it.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        let mut all = Vec::new();
        loop {
            let line = self.lines.recv_timeout(HANGS_AFTER);
            let line = line.unwrap_or_else(|_| panic!("{text:?} is not in {all:#?}"));
            if line.contains(text) {
                return line;
            }
            all.push(line);
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there");
    }

    /// Sends it a signal that ends it; how it ended, and the rest of what it said.
    pub fn end(mut self, signal: Signal) -> (ExitStatus, String) {
        self.signal(signal);
        self.ended()
    }

    /// Waits for its end; how it ended, and the rest of what it said.
    pub fn ended(&mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("a child");
        // Until the helpers, which say nothing more, have ended as well.
        let said: Vec<String> = self.lines.iter().collect();
        (status, said.join("\n"))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A network qube at work.
#[derive(Debug)]
pub struct Qube {
    /// Its networks.
    pub networks: Networks,
    /// Its QubesDB.
    pub database: Database,
    /// Its firewall.
    pub agent: Agent,
}

impl Default for Qube {
    fn default() -> Self {
        Self::new()
    }
}

impl Qube {
    /// One without rules.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Database::new(), &[])
    }

    /// One with what QubesDB has, which is read for each of these addresses.
    #[must_use]
    pub fn with(database: Database, addresses: &[&str]) -> Self {
        let networks = Networks::new();
        let agent = Agent::started(&networks, &database, addresses);
        Self {
            networks,
            database,
            agent,
        }
    }
}
