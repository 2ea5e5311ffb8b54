//! Names of hosts: a DNS server whose answers change, fail, or never come.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::mount::{MsFlags, mount};
use qfile_tests::firewall::{CLIENT, CLIENT6, Networks, OTHER, Qube, SERVERS, SERVERS6};
use qfile_tests::interrupted::uninterrupted;
use qfile_tests::network::Fate::{Passed, Rejected};
use qfile_tests::network::Probe::{Ping, Tcp};
use qfile_tests::network::{Fate, needs_networks};
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{in_private_mounts, needs_private_mounts};

qfile_tests::suite! {
    a_name_of_the_hosts_file_is_one [needs_networks, needs_private_mounts],
    a_name_that_changes_is_followed_at_its_time_to_live [needs_networks, needs_private_mounts],
    old_addresses_are_kept_while_dns_fails [needs_networks, needs_private_mounts],
    a_name_that_fails_blocks_its_qube_until_it_is_found [needs_networks, needs_private_mounts],
    a_name_without_an_answer_holds_nobody_else_up [needs_networks, needs_private_mounts],
    names_that_no_rule_needs_leave_the_table [needs_networks, needs_private_mounts],
    answers_that_are_none_end_nothing [needs_networks, needs_private_mounts],
}

/// Runs `body` where `/etc/hosts` and `/etc/resolv.conf` are these.
pub(super) fn with_files(hosts: &str, resolv_conf: &str, body: impl FnOnce() + Send) {
    let folder = TempFolder::open_to_all();
    in_private_mounts(|| {
        for (name, text) in [("hosts", hosts), ("resolv.conf", resolv_conf)] {
            let file = folder.path().join(name);
            fs::write(&file, text).unwrap();
            let place = format!("/etc/{name}");
            let flags = MsFlags::MS_BIND;
            mount(
                Some(&file),
                place.as_str(),
                None::<&str>,
                flags,
                None::<&str>,
            )
            .unwrap();
        }
        body();
    });
}

/// What the DNS server says.
#[derive(Clone, Debug)]
enum Says {
    /// These addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// There is no such name.
    NoName,
    /// Nothing.
    Nothing,
    /// Bytes that are no answer.
    Garbage,
}

/// A DNS server at the first address of the server.
struct Dns {
    says: Arc<Mutex<BTreeMap<String, Says>>>,
    asked: Receiver<String>,
}

impl Dns {
    fn start(networks: &Networks) -> Self {
        let socket = networks
            .server
            .run(|| UdpSocket::bind((SERVERS[0], 53)).unwrap());
        let says = Arc::new(Mutex::new(BTreeMap::new()));
        let (ask, asked) = channel();
        let known = Arc::clone(&says);
        thread::spawn(move || {
            let mut query = [0; 512];
            loop {
                let (len, from) = uninterrupted(|| socket.recv_from(&mut query)).unwrap();
                let (name, answer) = answer(&query[..len], &known.lock().unwrap());
                if let Some(answer) = answer {
                    socket.send_to(&answer, from).unwrap();
                }
                if ask.send(name).is_err() {
                    return;
                }
            }
        });
        Self { says, asked }
    }

    fn says(&self, name: &str, says: Says) {
        self.says.lock().unwrap().insert(name.to_owned(), says);
    }

    fn has(&self, name: &str, addresses: &[&str], ttl: u32) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap());
        self.says(name, Says::Addresses(addresses.collect(), ttl));
    }

    fn wait_for_question(&self, name: &str) {
        while self
            .asked
            .recv_timeout(std::time::Duration::from_secs(60))
            .unwrap()
            != name
        {}
    }
}

/// The name that is asked for, and what is sent back.
fn answer(query: &[u8], known: &BTreeMap<String, Says>) -> (String, Option<Vec<u8>>) {
    let mut labels = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let len = usize::from(query[at]);
        labels.push(String::from_utf8(query[at + 1..=at + len].to_vec()).unwrap());
        at += len + 1;
    }
    let name = labels.join(".");
    let question = &query[12..at + 5];
    let is_v6 = query[at + 2] == 28;
    let (code, addresses, ttl) = match known.get(&name).unwrap_or(&Says::NoName) {
        Says::Nothing => return (name, None),
        Says::Garbage => {
            return (
                name,
                Some(vec![
                    query[0], query[1], 0x81, 0x80, 0, 1, 0, 9, 0, 0, 0, 0, 0xc0, 0x0c,
                ]),
            );
        }
        Says::NoName => (3, Vec::new(), 0),
        Says::Addresses(all, ttl) => {
            let of_type = all.iter().filter(|address| address.is_ipv6() == is_v6);
            (0, of_type.copied().collect(), *ttl)
        }
    };
    let mut bytes = vec![
        query[0],
        query[1],
        0x81,
        0x80 | code,
        0,
        1,
        0,
        u8::try_from(addresses.len()).unwrap(),
        0,
        0,
        0,
        0,
    ];
    bytes.extend_from_slice(question);
    for address in addresses {
        let data = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        bytes.extend_from_slice(&[0xc0, 12, 0, query[at + 2], 0, 1]);
        bytes.extend_from_slice(&ttl.to_be_bytes());
        bytes.extend_from_slice(&[0, u8::try_from(data.len()).unwrap()]);
        bytes.extend_from_slice(&data);
    }
    (name, Some(bytes))
}

/// Runs `body` with a DNS server that the firewall asks.
fn with_dns(hosts: &str, body: impl FnOnce(&mut Qube, &Dns) + Send) {
    with_files(hosts, &format!("nameserver {}\n", SERVERS[0]), || {
        let mut qube = Qube::new();
        let dns = Dns::start(&qube.networks);
        body(&mut qube, &dns);
    });
}

fn fates(qube: &Qube) -> [Fate; 2] {
    [SERVERS[2], SERVERS[3]].map(|address| qube.networks.probe(Tcp(80), address))
}

fn a_name_of_the_hosts_file_is_one() {
    with_dns(
        "198.51.100.7 named.example\n2001:db8:1::7 named.example\n",
        |qube, _| {
            let rule = ["action=accept dsthost=named.example proto=tcp"];
            qube.database.set_rules(CLIENT, "drop", &rule);
            assert_eq!(fates(qube), [Passed, Rejected]);
            assert_eq!(qube.networks.probe(Ping, SERVERS[2]), Rejected);
            let published = qube.database.read(&format!("/dns/{CLIENT}/named.example"));
            assert_eq!(published.unwrap(), "{'198.51.100.7/32'}");
            qube.database.set_rules(CLIENT6, "drop", &rule);
            assert_eq!(qube.networks.probe(Tcp(80), SERVERS6[1]), Passed);
            assert_eq!(qube.networks.probe(Tcp(80), SERVERS6[0]), Rejected);
            let published = qube.database.read(&format!("/dns/{CLIENT6}/named.example"));
            assert_eq!(published.unwrap(), "{'2001:db8:1::7/128'}");
            // A path that is too long for QubesDB is left out, and nothing else.
            let long = format!("{}.example", "x".repeat(50));
            assert_eq!(qube.database.read(&format!("/dns/{CLIENT}/x")), None);
            qube.database.set_rules(
                CLIENT,
                "accept",
                &[&format!("action=accept dsthost={long}")],
            );
            assert_eq!(fates(qube), [Rejected, Rejected]);
            qube.agent.wait_for_line("too long for QubesDB");
            assert_eq!(
                qube.database.read(&format!("/dns/{CLIENT}/named.example")),
                None
            );
        },
    );
}

fn a_name_that_changes_is_followed_at_its_time_to_live() {
    with_dns("", |qube, dns| {
        dns.has("moves.example", &[SERVERS[2]], 1);
        let rule = ["action=accept dsthost=moves.example"];
        qube.database.set_rules(CLIENT, "drop", &rule);
        assert_eq!(fates(qube), [Passed, Rejected]);
        let mut published = qube.database.watch(&format!("/dns/{CLIENT}/moves.example"));
        dns.has("moves.example", &[SERVERS[3]], 3600);
        published.next_path();
        assert_eq!(fates(qube), [Rejected, Passed]);
    });
}

fn old_addresses_are_kept_while_dns_fails() {
    with_dns("", |qube, dns| {
        dns.has("lost.example", &[SERVERS[2]], 1);
        let rule = ["action=accept dsthost=lost.example"];
        qube.database.set_rules(CLIENT, "drop", &rule);
        dns.wait_for_question("lost.example");
        dns.says("lost.example", Says::NoName);
        // Asked again, and once more after the first failure.
        for _ in 0..4 {
            dns.wait_for_question("lost.example");
        }
        assert_eq!(fates(qube), [Passed, Rejected]);
        qube.database.trigger(CLIENT);
        assert_eq!(fates(qube), [Passed, Rejected]);
    });
}

fn a_name_that_fails_blocks_its_qube_until_it_is_found() {
    with_dns("", |qube, dns| {
        let rules = [
            "action=accept dst4=203.0.113.9",
            "action=accept dsthost=late.example",
        ];
        // The caller is answered when the name could not be found.
        qube.database.set_rules(CLIENT, "accept", &rules);
        qube.agent
            .wait_for_line("the name \"late.example\" has no address");
        assert_eq!(fates(qube), [Rejected, Rejected]);
        // Only IPv6 addresses are none for an IPv4 address.
        let mut published = qube.database.watch(&format!("/dns/{CLIENT}/late.example"));
        dns.has("late.example", &[SERVERS6[0]], 1);
        dns.wait_for_question("late.example");
        dns.has("late.example", &[SERVERS[2]], 3600);
        while qube
            .database
            .read(&format!("/dns/{CLIENT}/late.example"))
            .as_deref()
            != Some("{'198.51.100.7/32'}")
        {
            published.next_path();
        }
        assert_eq!(fates(qube), [Passed, Passed]);
    });
}

fn a_name_without_an_answer_holds_nobody_else_up() {
    with_dns("", |qube, dns| {
        dns.says("silent.example", Says::Nothing);
        let rule = ["action=accept dsthost=silent.example"];
        qube.database.write_rules(CLIENT, "drop", &rule);
        qube.database
            .write(&format!("/qubes-firewall/{CLIENT}"), b"");
        dns.wait_for_question("silent.example");
        // Nobody is answered about the one, and the others go on meanwhile.
        for _ in 0..20 {
            qube.database.set_rules(OTHER, "accept", &[]);
        }
        assert_eq!(qube.database.handled(CLIENT), 0);
        assert_eq!(fates(qube), [Rejected, Rejected]);
    });
}

fn names_that_no_rule_needs_leave_the_table() {
    with_dns("192.0.2.2 a.example b.example\n", |qube, _| {
        qube.database
            .set_rules(CLIENT, "drop", &["action=accept dsthost=a.example"]);
        qube.database
            .set_rules(OTHER, "drop", &["action=accept dsthost=a.example"]);
        let has =
            |qube: &Qube, set: &str| qube.networks.ruleset().contains(&format!("set {set} {{"));
        assert!(has(qube, "h-a.example"));
        qube.database
            .set_rules(CLIENT, "drop", &["action=accept dsthost=b.example"]);
        assert!(has(qube, "h-a.example") && has(qube, "h-b.example"));
        qube.database.set_rules(OTHER, "drop", &[]);
        assert!(!has(qube, "h-a.example") && has(qube, "h-b.example"));
        qube.database.set_rules(CLIENT, "drop", &["nonsense"]);
        assert!(!has(qube, "h-b.example"));
    });
}

fn answers_that_are_none_end_nothing() {
    with_dns("", |qube, dns| {
        dns.says("garbage.example", Says::Garbage);
        dns.has("good.example", &[SERVERS[2]], 3600);
        qube.database
            .write_rules(CLIENT, "drop", &["action=accept dsthost=garbage.example"]);
        qube.database
            .write(&format!("/qubes-firewall/{CLIENT}"), b"");
        dns.wait_for_question("garbage.example");
        qube.database
            .write_rules(CLIENT, "drop", &["action=accept dsthost=good.example"]);
        qube.database
            .write(&format!("/qubes-firewall/{CLIENT}"), b"");
        qube.database.wait_until_handled(CLIENT, 2);
        assert_eq!(fates(qube), [Passed, Rejected]);
    });
}
