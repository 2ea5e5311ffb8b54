//! Three readings of random rules agree about random packets, of IPv4 and of IPv6: the judge's, the
//! kernel's, and the grammar's own.

use std::cell::RefCell;
use std::net::IpAddr;

use firewall::{Family, HostName, KnownAddresses, Packet, Policy, Verdict, verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use qfile_tests::firewall::{CLIENT, CLIENT6, Qube, SERVERS, SERVERS6};
use qfile_tests::network::Fate::{Passed, Rejected};
use qfile_tests::network::Probe::{Ping, Tcp, Udp};
use qfile_tests::network::{Fate, Probe, needs_networks};
use qfile_tests::user::needs_private_mounts;

qfile_tests::suite! {
    judge_kernel_and_grammar_agree_about_ipv4 [needs_networks, needs_private_mounts],
    judge_kernel_and_grammar_agree_about_ipv6 [needs_networks, needs_private_mounts],
}

/// A name in rules.
const NAME: &str = "a.example";

const PORTS: [u16; 5] = [53, 80, 443, 999, 2500];

/// A family, as rules and packets have it.
#[derive(Clone, Copy, Debug)]
struct World {
    family: Family,
    client: &'static str,
    servers: &'static [&'static str],
    /// The key of destinations.
    key: &'static str,
    /// The address of the name in rules, and the server of DNS.
    named: &'static str,
    dns: &'static str,
    /// The protocol of pings, and the type of their requests.
    icmp: (u8, u8),
    /// A type that no packet here has.
    other_icmp: u8,
}

const V4: World = World {
    family: Family::V4,
    client: CLIENT,
    servers: &SERVERS,
    key: "dst4",
    named: SERVERS[1],
    dns: SERVERS[0],
    icmp: (1, 8),
    other_icmp: 13,
};

const V6: World = World {
    family: Family::V6,
    client: CLIENT6,
    servers: &SERVERS6,
    key: "dst6",
    named: SERVERS6[1],
    dns: SERVERS6[0],
    icmp: (58, 128),
    // A request of IPv4.
    other_icmp: 8,
};

/// Rules over a small world, so that they meet packets.
fn rule(world: World) -> impl Strategy<Value = String> {
    let action = prop_oneof![Just("action=accept"), Just("action=drop")];
    let World { key, servers, .. } = world;
    let server = 0..servers.len();
    let destination = prop_oneof![
        3 => Just(String::new()),
        2 => server.clone().prop_map(move |at| format!(" {key}={}", servers[at])),
        3 => (server, 0..=world.family.bits())
            .prop_map(move |(at, bits)| format!(" {key}={}/{bits}", servers[at])),
        1 => Just(format!(" dsthost={NAME}")),
    ];
    let ports = (0..PORTS.len(), 0..PORTS.len()).prop_map(|(one, other)| {
        let (first, last) = (PORTS[one.min(other)], PORTS[one.max(other)]);
        format!(" dstports={first}-{last}")
    });
    let ports = prop_oneof![Just(String::new()), ports];
    // A server of DNS, or any.
    let target = prop_oneof![2 => Just(""), 1 => Just(" specialtarget=dns")];
    let with_ports = (target.clone(), ports);
    let protocol = prop_oneof![
        2 => target.prop_map(str::to_owned),
        3 => with_ports.clone().prop_map(|(target, ports)| format!(" proto=tcp{target}{ports}")),
        3 => with_ports.prop_map(|(target, ports)| format!(" proto=udp{target}{ports}")),
        1 => Just(" proto=icmp".to_owned()),
        1 => prop_oneof![Just(world.icmp.1), Just(world.other_icmp)]
            .prop_map(|icmp| format!(" proto=icmp icmptype={icmp}")),
    ];
    (action, destination, protocol).prop_map(|(a, d, p)| format!("{a}{d}{p}"))
}

fn packet(world: World) -> impl Strategy<Value = (Probe, &'static str)> {
    let port = (0..PORTS.len()).prop_map(|at| PORTS[at]);
    let probe = prop_oneof![
        4 => port.clone().prop_map(Tcp),
        4 => port.prop_map(Udp),
        2 => Just(Ping),
    ];
    (
        probe,
        (0..world.servers.len()).prop_map(move |at| world.servers[at]),
    )
}

/// The grammar's own reading, word by word, which knows nothing of the crate.
fn read_by_hand(
    world: World,
    policy: &str,
    rules: &[String],
    probe: Probe,
    destination: &str,
) -> Fate {
    // The first bits of an address, as text.
    let bits = |address: &str, count: usize| -> String {
        let bits = match address.parse().unwrap() {
            IpAddr::V4(address) => format!("{:032b}", u32::from(address)),
            IpAddr::V6(address) => format!("{:0128b}", u128::from(address)),
        };
        bits[..count].to_owned()
    };
    let (protocol, port) = match probe {
        Tcp(port) => ("tcp", port),
        Udp(port) => ("udp", port),
        Ping => ("icmp", 0),
    };
    let matches = |word: &str| {
        let (key, value) = word.split_once('=').unwrap();
        match key {
            "action" => true,
            "dst4" | "dst6" => {
                let (net, count) = value
                    .split_once('/')
                    .map_or((value, world.family.bits().into()), |(net, count)| {
                        (net, count.parse().unwrap())
                    });
                bits(net, count) == bits(destination, count)
            }
            "dsthost" => value == NAME && world.named == destination,
            "specialtarget" => world.dns == destination && port == 53,
            "proto" => value == protocol,
            "dstports" => {
                let (first, last) = value.split_once('-').unwrap();
                first.parse::<u16>().unwrap() <= port && port <= last.parse::<u16>().unwrap()
            }
            "icmptype" => value == world.icmp.1.to_string(),
            _ => panic!("{key}"),
        }
    };
    let rule = rules.iter().find(|rule| rule.split(' ').all(matches));
    match rule.map_or(policy == "accept", |rule| rule.starts_with("action=accept")) {
        true => Passed,
        false => Rejected,
    }
}

/// What the three know beside the rules.
fn known(world: World) -> KnownAddresses {
    let name = HostName::parse(NAME).unwrap();
    KnownAddresses {
        dns: [world.dns.parse().unwrap()].into(),
        hosts: [(name, [world.named.parse().unwrap()].into())].into(),
    }
}

fn judge(world: World, policy: &Policy, probe: Probe, destination: &str) -> Fate {
    let (protocol, port, icmp_type) = match probe {
        Tcp(port) => (6, Some(port), None),
        Udp(port) => (17, Some(port), None),
        Ping => (world.icmp.0, None, Some(world.icmp.1)),
    };
    let packet = Packet {
        destination: destination.parse().unwrap(),
        protocol,
        port,
        icmp_type,
    };
    match verdict(policy, &packet, &known(world)) {
        Verdict::Accept => Passed,
        Verdict::Reject => Rejected,
    }
}

fn all_agree(world: World) {
    // Of both families, so that no DNS server is asked.
    let hosts = format!("{} {NAME}\n{} {NAME}\n", V4.named, V6.named);
    let resolv_conf = format!("nameserver {}\n", world.dns);
    super::names::with_files(&hosts, &resolv_conf, || all_agree_here(world));
}

fn all_agree_here(world: World) {
    let mut runner = TestRunner::new(Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let policy = prop_oneof![Just("accept"), Just("drop")];
    let rules = proptest::collection::vec(rule(world), 0..8);
    let packets = proptest::collection::vec(packet(world), 6);
    let qube = RefCell::new(Qube::new());
    let agreed = runner.run(&(policy, rules, packets), |(policy, rules, packets)| {
        let mut qube = qube.borrow_mut();
        let texts: Vec<&str> = rules.iter().map(String::as_str).collect();
        qube.database.set_rules(world.client, policy, &texts);
        let numbers: Vec<String> = (0..rules.len())
            .map(|number| format!("{number:04}"))
            .collect();
        let entries = numbers
            .iter()
            .map(String::as_bytes)
            .zip(rules.iter().map(String::as_bytes));
        let entries = entries.chain([(&b"policy"[..], policy.as_bytes())]);
        let read = Policy::parse(world.family, entries).expect("rules of the grammar");
        for (probe, destination) in packets {
            let by_hand = read_by_hand(world, policy, &rules, probe, destination);
            let judged = judge(world, &read, probe, destination);
            prop_assert_eq!(judged, by_hand, "the judge: {:?} to {}", probe, destination);
            let real = qube.networks.probe(probe, destination);
            prop_assert_eq!(real, by_hand, "the kernel: {:?} to {}", probe, destination);
        }
        Ok(())
    });
    agreed.unwrap();
}

fn judge_kernel_and_grammar_agree_about_ipv4() {
    all_agree(V4);
}

fn judge_kernel_and_grammar_agree_about_ipv6() {
    all_agree(V6);
}
