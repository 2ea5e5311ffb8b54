//! What the kernel has: the text of the contract, the same after each start, and closed whatever
//! happens meanwhile.

use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use qfile_tests::firewall::{Agent, CLIENT, CLIENT6, Database, Networks, OTHER, Qube, SERVERS};
use qfile_tests::interrupted::uninterrupted;
use qfile_tests::network::Fate::{Passed, Rejected};
use qfile_tests::network::Probe::{Tcp, Udp};
use qfile_tests::network::{Namespace, needs_networks};
use qfile_tests::programs::program;
use qfile_tests::receiver::needs_strace;
use rustix::process::Signal;

qfile_tests::suite! {
    the_kernel_has_what_nft_makes_of_the_text_of_check [needs_networks],
    ten_restarts_leave_the_same_text [needs_networks],
    no_forbidden_packet_passes_while_rules_are_read_again [needs_networks],
    no_forbidden_packet_passes_when_it_is_killed_at_any_step [needs_networks],
    no_forbidden_packet_passes_when_it_is_killed_before_any_call [needs_networks, needs_strace],
    rules_that_the_kernel_refuses_leave_the_address_closed [needs_networks],
    tables_that_somebody_takes_away_come_back [needs_networks],
    a_thousand_addresses_of_fifty_rules_are_one_start [needs_networks],
    sigterm_takes_the_tables_away_and_sigint_leaves_them [needs_networks],
}

const RULES: [&str; 12] = [
    "action=accept dst4=8.8.8.8/32 proto=udp dstports=53-53",
    "action=accept specialtarget=dns",
    "action=drop proto=tcp specialtarget=dns",
    "action=accept proto=icmp icmptype=8",
    "action=accept proto=icmp",
    "action=accept dst4=192.168.0.7/24 proto=tcp dstports=80-443",
    "action=drop dst4=10.0.0.0/9",
    "action=accept dst4=10.1.2.3/31 proto=tcp",
    "action=accept dst4=1.2.3.4/0 proto=udp",
    "action=accept proto=tcp dstports=0-65535",
    "action=accept proto=tcp specialtarget=dns dstports=80-80",
    "action=drop",
];

const RULES6: [&str; 6] = [
    "action=drop dst6=2a00:1450:4000::/37 proto=tcp",
    "action=accept dst6=2000::/3 proto=icmp icmptype=128",
    "action=accept dst6=::1/128 proto=udp dstports=1-2",
    "action=accept specialtarget=dns",
    "action=accept proto=icmp icmptype=8",
    "action=accept dst6=::/0",
];

fn the_kernel_has_what_nft_makes_of_the_text_of_check() {
    super::names::with_files("", "nameserver 192.0.2.2\nnameserver 2001:db8::2\n", || {
        let mut database = Database::new();
        database.write_rules(CLIENT, "drop", &RULES);
        database.write_rules(OTHER, "accept", &["nonsense"]);
        database.write_rules(CLIENT6, "accept", &RULES6);
        let qube = Qube::with(database, &[CLIENT, OTHER, CLIENT6]);
        let ours = qube.networks.ruleset();

        let lines = |address: &str, policy: &str, rules: &[&str]| {
            let mut lines = format!("/qubes-firewall/{address}/policy = {policy}\n");
            for (number, rule) in rules.iter().enumerate() {
                lines += &format!("/qubes-firewall/{address}/{number:04} = {rule}\n");
            }
            lines
        };
        let text = lines(CLIENT, "drop", &RULES)
            + &lines(OTHER, "accept", &["nonsense"])
            + &lines(CLIENT6, "accept", &RULES6);
        let other = Namespace::new();
        let folder = qfile_tests::tree::TempFolder::open_to_all();
        let file = folder.path().join("rules");
        std::fs::write(&file, text).unwrap();
        let checked = Command::new(program("qubes-firewall"))
            .arg("--check")
            .arg(&file)
            .output();
        let checked = checked.unwrap();
        assert_eq!(checked.status.code(), Some(1));
        let said = String::from_utf8(checked.stderr).unwrap();
        assert!(said.contains(":15:35: rule 0000, column 1"), "{said}");
        let script = String::from_utf8(checked.stdout).unwrap();
        other.feed("nft", &["-f", "-"], &script);
        let theirs = other.feed("nft", &["list", "ruleset"], "");
        // The servers of DNS are known to the agent only.
        let without_elements = |text: &str| {
            let lines = text.lines().filter(|line| !line.contains("elements = "));
            lines.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(without_elements(&ours), without_elements(&theirs));
        assert!(ours.contains("elements = { 192.0.2.2 }"), "{ours}");
        assert!(ours.contains("elements = { 2001:db8::2 }"), "{ours}");
    });
}

fn ten_restarts_leave_the_same_text() {
    let mut database = Database::new();
    database.write_rules(CLIENT, "drop", &RULES);
    database.write_rules(OTHER, "accept", &["nonsense"]);
    database.write_rules(CLIENT6, "accept", &RULES6);
    database.write("/connected-ips", b"10.137.0.5");
    let networks = Networks::new();
    let mut first = None;
    for signal in [Signal::KILL, Signal::INT, Signal::TERM]
        .iter()
        .cycle()
        .take(10)
    {
        let watch = database.watch("/qubes-firewall-handled/");
        let agent = Agent::started(&networks, &database, &[CLIENT, OTHER, CLIENT6]);
        drop(watch);
        // Everything of the start is done when this is answered, also what has no answer.
        database.trigger(CLIENT);
        let ruleset = networks.ruleset();
        assert_eq!(first.get_or_insert_with(|| ruleset.clone()), &ruleset);
        let _ended = agent.end(*signal);
    }
    assert_eq!(first.unwrap().matches("jump qubes-forward").count(), 2);
}

/// A socket of the server that nothing may get to, and a stream of packets to it from a qube.
struct Stream<'a> {
    networks: &'a Networks,
    server: UdpSocket,
    goes_on: AtomicBool,
}

impl<'a> Stream<'a> {
    fn new(networks: &'a Networks) -> Self {
        let server = networks
            .server
            .run(|| UdpSocket::bind((SERVERS[0], 7)).unwrap());
        server.set_nonblocking(true).unwrap();
        Self {
            networks,
            server,
            goes_on: AtomicBool::new(true),
        }
    }

    /// Runs `body` while packets are sent; each has a port of its own, so that none belongs to a
    /// connection that is known.
    fn during(&self, body: impl FnOnce()) -> usize {
        thread::scope(|scope| {
            let sender = scope.spawn(|| {
                self.networks.client.run(|| {
                    let mut sent = 0;
                    while self.goes_on.load(Ordering::Relaxed) {
                        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
                        // What is rejected may be told at the next one.
                        let _told = socket.send_to(b"forbidden", (SERVERS[0], 7));
                        sent += 1;
                        if sent % 64 == 0 {
                            thread::yield_now();
                        }
                    }
                    sent
                })
            });
            body();
            self.goes_on.store(false, Ordering::Relaxed);
            sender.join().unwrap()
        })
    }

    fn arrived(&self) -> usize {
        let mut bytes = [0; 16];
        std::iter::from_fn(|| uninterrupted(|| self.server.recv(&mut bytes)).ok()).count()
    }
}

fn no_forbidden_packet_passes_while_rules_are_read_again() {
    let mut qube = Qube::new();
    let rules = ["action=drop proto=udp dstports=7-7", "action=accept"];
    qube.database.set_rules(CLIENT, "drop", &rules);
    let Qube {
        networks,
        database,
        agent,
    } = &mut qube;
    let stream = Stream::new(networks);
    let sent = stream.during(|| {
        for round in 0..20 {
            // Other rules each time, all of which forbid it.
            let more = format!("action=accept dst4=192.0.2.2 proto=tcp dstports={round}-{round}");
            database.set_rules(CLIENT, "drop", &[rules[0], &more, rules[1]]);
            if round % 5 == 0 {
                agent.signal(Signal::HUP);
                agent.wait_for("RELOADING=1");
                agent.wait_for("READY=1");
            }
        }
    });
    assert!(sent > 20, "{sent}");
    assert_eq!(stream.arrived(), 0);
    assert_eq!(networks.probe(Udp(8), SERVERS[0]), Passed);
}

fn no_forbidden_packet_passes_when_it_is_killed_at_any_step() {
    let mut database = Database::new();
    let rules = ["action=drop proto=udp dstports=7-7", "action=accept"];
    database.write_rules(CLIENT, "drop", &rules);
    let networks = Networks::new();
    let stream = Stream::new(&networks);
    // The first start, so that there is a firewall at all.
    drop(Agent::started(&networks, &database, &[CLIENT]));
    let sent = stream.during(|| {
        for step in 0..12 {
            let watch = database.watch(&format!("/qubes-firewall-handled/{CLIENT}"));
            let agent = Agent::start(&networks, &database);
            match step % 4 {
                // Before it has done anything, or while it does.
                0 => thread::yield_now(),
                // When the tables were made anew.
                1 => agent.wait_for("READY=1"),
                // When the rules are there.
                2 => watch.wait(),
                // While it reads them again.
                _ => {
                    watch.wait();
                    agent.signal(Signal::HUP);
                    database.write(&format!("/qubes-firewall/{CLIENT}"), b"");
                    agent.wait_for("READY=1");
                }
            }
            let _killed = agent.end(Signal::KILL);
        }
    });
    assert!(sent > 12, "{sent}");
    assert_eq!(stream.arrived(), 0);
    let _agent = Agent::started(&networks, &database, &[CLIENT]);
    assert_eq!(networks.probe(Udp(8), SERVERS[0]), Passed);
}

/// At every call by which it tells the kernel, QubesDB or systemd anything, at a start, when rules
/// change, and at two reloads.
fn no_forbidden_packet_passes_when_it_is_killed_before_any_call() {
    let mut database = Database::new();
    let forbidden = "action=drop proto=udp dstports=7-7";
    let rules = [forbidden, "action=accept"];
    database.write_rules(CLIENT, "drop", &rules);
    let networks = Networks::new();
    let stream = Stream::new(&networks);
    // The first start, so that there is a firewall at all.
    drop(Agent::started(&networks, &database, &[CLIENT]));
    let mut killed = 0;
    let _sent = stream.during(|| {
        for call in ["sendto", "sendmsg", "write"] {
            for number in 1.. {
                let inject = format!("inject={call}:signal=SIGKILL:when={number}");
                let trace = format!("trace={call}");
                let strace = [
                    "strace",
                    "-D",
                    "-o",
                    "/dev/null",
                    "-e",
                    &trace,
                    "-e",
                    &inject,
                ];
                let agent = Agent::start_by(&strace, &networks, &database);
                let survives = survives(&agent, &mut database, &rules);
                let _ended = agent.end(Signal::KILL);
                assert_eq!(stream.arrived(), 0, "killed before {call} {number}");
                if survives {
                    break;
                }
                killed += 1;
            }
        }
    });
    // It speaks to each of the three more than once.
    assert!(killed > 10, "{killed}");
    let _agent = Agent::started(&networks, &database, &[CLIENT]);
    assert_eq!(networks.probe(Udp(8), SERVERS[0]), Passed);
}

/// Does an agent live through its start, a change of rules, and two reloads?
fn survives(agent: &Agent, database: &mut Database, rules: &[&str; 2]) -> bool {
    if !agent.reaches("READY=1") {
        return false;
    }
    database.write_rules(CLIENT, "drop", rules);
    database.write(&format!("/qubes-firewall/{CLIENT}"), b"");
    // What has been begun is done before a signal is heeded.
    ["RELOADING=1", "RELOADING=1"].iter().all(|begun| {
        agent.signal(Signal::HUP);
        agent.reaches(begun) && agent.reaches("READY=1")
    })
}

fn rules_that_the_kernel_refuses_leave_the_address_closed() {
    super::names::with_files("192.0.2.2 a.example\n", "", || {
        let mut qube = Qube::new();
        qube.database.set_rules(CLIENT, "accept", &[]);
        assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Passed);
        // A set of the user's own, of another type, is where that of the name is to be.
        let set = "add set ip qubes-firewall h-a.example { type inet_service; }";
        qube.networks.firewall.feed("nft", &["-f", "-"], set);
        qube.database
            .set_rules(CLIENT, "accept", &["action=accept dsthost=a.example"]);
        qube.agent
            .wait_for_line("the kernel refused the chain of 10.137.0.5");
        assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Rejected);
        assert_eq!(qube.database.handled(CLIENT), 2);
        let delete = "delete set ip qubes-firewall h-a.example";
        qube.networks.firewall.feed("nft", &["-f", "-"], delete);
        qube.database.trigger(CLIENT);
        assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Passed);
    });
}

fn tables_that_somebody_takes_away_come_back() {
    let mut qube = Qube::new();
    qube.database.write("/connected-ips", b"10.137.0.5");
    qube.database.set_rules(CLIENT, "drop", &RULES);
    qube.database.set_rules(OTHER, "accept", &[]);
    let before = qube.networks.ruleset();
    for what in [
        "flush ruleset",
        "delete table ip qubes-firewall",
        "delete chain ip qubes-firewall qbs-10-137-0-5",
    ] {
        if what.starts_with("delete chain") {
            let flush = "flush chain ip qubes-firewall qubes-forward\nflush chain ip qubes-firewall qbs-10-137-0-5";
            qube.networks.firewall.feed("nft", &["-f", "-"], flush);
        }
        qube.networks.firewall.feed("nft", &["-f", "-"], what);
        qube.database.trigger(CLIENT);
        if !what.starts_with("delete chain") {
            // The table that stayed is listed first.
            let sorted = |text: &str| {
                let mut tables: Vec<_> = text.split("\ntable ").map(str::trim).collect();
                tables.sort_unstable_by_key(|table| table.trim_start_matches("table ").to_owned());
                tables.join("\n").replace("table ", "")
            };
            assert_eq!(sorted(&qube.networks.ruleset()), sorted(&before), "{what}");
        }
    }
}

fn a_thousand_addresses_of_fifty_rules_are_one_start() {
    let mut database = Database::new();
    let rules: Vec<String> = (0..50)
        .map(|number| {
            format!(
                "action=accept dst4=10.0.{number}.0/24 proto=tcp dstports=80-{}",
                443 + number
            )
        })
        .collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let address = |number: u32| format!("10.140.{}.{}", number / 250, number % 250);
    for number in 0..1000 {
        database.write_rules(&address(number), "drop", &rules);
    }
    database.write_rules(CLIENT, "accept", &[]);
    let mut watch = database.watch("/qubes-firewall-handled/");
    let networks = Networks::new();
    let _agent = Agent::start(&networks, &database);
    for _ in 0..=1000 {
        watch.next_path();
    }
    let ruleset = networks.ruleset();
    assert_eq!(ruleset.matches("jump qbs-10-140-").count(), 1000);
    assert_eq!(ruleset.matches(" tcp dport 80-492 accept").count(), 1000);
    assert_eq!(networks.probe(Tcp(80), SERVERS[0]), Passed);
    database.set_rules(CLIENT, "drop", &[]);
    assert_eq!(networks.probe(Tcp(80), SERVERS[0]), Rejected);
}

fn sigterm_takes_the_tables_away_and_sigint_leaves_them() {
    let mut database = Database::new();
    database.write_rules(CLIENT, "drop", &[]);
    let networks = Networks::new();
    let agent = Agent::started(&networks, &database, &[CLIENT]);
    let before = networks.ruleset();
    let (status, said) = agent.end(Signal::INT);
    assert!(status.success(), "{said}");
    assert_eq!(networks.ruleset(), before);
    let agent = Agent::started(&networks, &database, &[CLIENT]);
    let (status, said) = agent.end(Signal::TERM);
    assert!(status.success(), "{said}");
    assert_eq!(networks.ruleset(), "");
    // As the contract has it: what no other table forbids passes.
    assert_eq!(networks.probe(Tcp(80), SERVERS[0]), Passed);
}
