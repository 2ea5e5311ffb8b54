//! What each rule lets through, IPv4 and IPv6.

use std::net::IpAddr;

use qfile_tests::firewall::{CLIENT, CLIENT6, Database, OTHER, Qube, SERVERS, SERVERS6};
use qfile_tests::interrupted::uninterrupted;
use qfile_tests::network::Fate::{Passed, Rejected};
use qfile_tests::network::Probe::{Ping, Tcp, Udp};
use qfile_tests::network::{Fate, Probe, needs_networks};

qfile_tests::suite! {
    each_rule_lets_through_what_it_names_and_nothing_else [needs_networks],
    dns_is_what_goes_to_the_servers_of_resolv_conf [needs_networks],
    the_rules_of_one_address_are_for_no_other [needs_networks],
    an_address_without_rules_is_closed [needs_networks],
    what_connected_qubes_have_comes_from_no_other_interface [needs_networks],
}

/// One row: policy, rules, and what becomes of packets.
type Row<'a> = (&'a str, &'a [&'a str], &'a [(Probe, &'a str, Fate)]);

fn each_rule_lets_through_what_it_names_and_nothing_else() {
    let [a, b, c, _] = SERVERS;
    let [x, y] = SERVERS6;
    let rows: [Row<'_>; 13] = [
        (
            "drop",
            &[],
            &[
                (Tcp(80), a, Rejected),
                (Udp(80), a, Rejected),
                (Ping, a, Rejected),
            ],
        ),
        (
            "accept",
            &[],
            &[
                (Tcp(80), a, Passed),
                (Udp(80), a, Passed),
                (Ping, a, Passed),
            ],
        ),
        (
            "drop",
            &["action=accept"],
            &[(Tcp(80), a, Passed), (Ping, c, Passed)],
        ),
        (
            "accept",
            &["action=drop"],
            &[(Tcp(80), a, Rejected), (Ping, c, Rejected)],
        ),
        (
            "drop",
            &["action=accept dst4=192.0.2.2/32 proto=udp dstports=53-53"],
            &[
                (Udp(53), a, Passed),
                (Udp(54), a, Rejected),
                (Tcp(53), a, Rejected),
                (Udp(53), b, Rejected),
            ],
        ),
        (
            "drop",
            &["action=accept dst4=192.0.2.7/25"],
            &[
                (Tcp(1), a, Passed),
                (Tcp(1), b, Rejected),
                (Ping, a, Passed),
            ],
        ),
        (
            "drop",
            &["action=accept dst4=192.0.2.2"],
            &[(Tcp(1), a, Passed), (Tcp(1), b, Rejected)],
        ),
        (
            "drop",
            &["action=accept dst4=1.2.3.4/0 proto=tcp"],
            &[(Tcp(1), c, Passed), (Udp(1), c, Rejected)],
        ),
        (
            "drop",
            &["action=accept proto=tcp dstports=80-443"],
            &[
                (Tcp(79), a, Rejected),
                (Tcp(80), a, Passed),
                (Tcp(100), a, Passed),
                (Tcp(443), a, Passed),
                (Tcp(444), a, Rejected),
                (Udp(100), a, Rejected),
            ],
        ),
        (
            "drop",
            &["action=accept proto=icmp icmptype=8"],
            &[(Ping, a, Passed), (Tcp(80), a, Rejected)],
        ),
        (
            "drop",
            &["action=accept proto=icmp icmptype=13"],
            &[(Ping, a, Rejected)],
        ),
        (
            "accept",
            &[
                "action=accept dst4=192.0.2.2",
                "action=drop dst4=192.0.2.0/24 proto=tcp",
            ],
            &[
                (Tcp(80), a, Passed),
                (Tcp(80), b, Rejected),
                (Udp(80), b, Passed),
            ],
        ),
        (
            "accept",
            &[
                "action=drop dst4=192.0.2.0/24 proto=tcp",
                "action=accept dst4=192.0.2.2",
            ],
            &[(Tcp(80), a, Rejected), (Tcp(80), c, Passed)],
        ),
    ];
    let mut qube = Qube::new();
    for (policy, rules, packets) in rows {
        qube.database.set_rules(CLIENT, policy, rules);
        for (probe, destination, expected) in packets {
            let fate = qube.networks.probe(*probe, destination);
            assert_eq!(
                fate, *expected,
                "{policy} {rules:?}: {probe:?} to {destination}"
            );
        }
    }
    let rows6: [Row<'_>; 4] = [
        (
            "drop",
            &[],
            &[
                (Tcp(80), x, Rejected),
                (Udp(80), x, Rejected),
                (Ping, x, Rejected),
            ],
        ),
        (
            "drop",
            &["action=accept dst6=2001:DB8::7/64 proto=tcp dstports=80-80"],
            &[
                (Tcp(80), x, Passed),
                (Tcp(80), y, Rejected),
                (Udp(80), x, Rejected),
            ],
        ),
        (
            "drop",
            &["action=accept proto=icmp icmptype=128"],
            &[(Ping, x, Passed), (Udp(80), x, Rejected)],
        ),
        (
            "accept",
            &["action=drop dst6=2001:db8:1::/48 proto=udp"],
            &[(Udp(1), x, Passed), (Udp(1), y, Rejected)],
        ),
    ];
    for (policy, rules, packets) in rows6 {
        qube.database.set_rules(CLIENT6, policy, rules);
        for (probe, destination, expected) in packets {
            let fate = qube.networks.probe(*probe, destination);
            assert_eq!(
                fate, *expected,
                "{policy} {rules:?}: {probe:?} to {destination}"
            );
        }
    }
}

fn dns_is_what_goes_to_the_servers_of_resolv_conf() {
    let [a, b, ..] = SERVERS;
    super::names::with_files(
        "",
        &format!("nameserver {a}\nnameserver\t{b}\nnameserver x.y.z.w\nnameserver fe80::1%eth0\n"),
        || {
            let mut qube = Qube::new();
            qube.database
                .set_rules(CLIENT, "drop", &["action=accept specialtarget=dns"]);
            for (probe, destination, expected) in [
                (Tcp(53), a, Passed),
                (Udp(53), a, Passed),
                (Udp(54), a, Rejected),
                (Ping, a, Rejected),
                (Udp(53), b, Rejected),
            ] {
                assert_eq!(
                    qube.networks.probe(probe, destination),
                    expected,
                    "{probe:?} {destination}"
                );
            }
            let without_tcp = ["action=drop proto=tcp specialtarget=dns", "action=accept"];
            qube.database.set_rules(CLIENT, "drop", &without_tcp);
            assert_eq!(qube.networks.probe(Tcp(53), a), Rejected);
            assert_eq!(qube.networks.probe(Udp(53), a), Passed);
            assert_eq!(qube.networks.probe(Tcp(53), b), Passed);
            let other_port = ["action=accept proto=tcp specialtarget=dns dstports=80-80"];
            qube.database.set_rules(CLIENT, "drop", &other_port);
            assert_eq!(qube.networks.probe(Tcp(80), a), Rejected);
            assert_eq!(qube.networks.probe(Tcp(53), a), Rejected);
        },
    );
}

fn the_rules_of_one_address_are_for_no_other() {
    let mut qube = Qube::new();
    qube.database.set_rules(CLIENT, "accept", &[]);
    qube.database.set_rules(OTHER, "drop", &[]);
    let server: IpAddr = SERVERS[0].parse().unwrap();
    let of_other = |qube: &Qube| qube.networks.other.run(|| Tcp(80).to(server));
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Passed);
    assert_eq!(of_other(&qube), Rejected);
    // An error of one does not touch the other.
    qube.database
        .set_rules(CLIENT, "accept", &["action=accept  proto=tcp"]);
    qube.database.set_rules(OTHER, "accept", &[]);
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Rejected);
    assert_eq!(of_other(&qube), Passed);
}

fn an_address_without_rules_is_closed() {
    let mut qube = Qube::new();
    let server = qube.networks.server.run(|| {
        let socket = std::net::UdpSocket::bind("192.0.2.2:9").unwrap();
        socket
            .set_read_timeout(Some(std::time::Duration::from_secs(60)))
            .unwrap();
        socket
    });
    let send = |from: &qfile_tests::network::Namespace, what: &'static [u8]| {
        from.run(|| {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.send_to(what, "192.0.2.2:9").unwrap();
        });
    };
    // What is dropped has no answer; so another packet, which passes, is sent behind it.
    qube.database.set_rules(OTHER, "accept", &[]);
    send(&qube.networks.client, b"forbidden");
    send(&qube.networks.other, b"allowed");
    let mut got = [0; 16];
    let (len, _) = uninterrupted(|| server.recv_from(&mut got)).unwrap();
    assert_eq!(&got[..len], b"allowed");
    // An empty write without entries blocks.
    qube.database.trigger(CLIENT);
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Rejected);
}

fn what_connected_qubes_have_comes_from_no_other_interface() {
    let mut database = Database::new();
    database.write(
        "/connected-ips",
        b"10.137.0.5 nonsense 10.137.0.6 300.1.1.1 fd09::5",
    );
    database.write("/connected-ips6", b"fd09::5");
    database.write_rules(CLIENT, "accept", &[]);
    let mut qube = Qube::with(database, &[CLIENT]);
    qube.agent
        .wait_for_line("\"nonsense\" in \"/connected-ips\" is no address");
    qube.agent
        .wait_for_line("\"fd09::5\" in \"/connected-ips\" is no address");
    let rules = qube.networks.ruleset();
    for line in [
        "iifname != \"vif*\" ip saddr { 10.137.0.5, 10.137.0.6 } drop",
        "oifname != \"vif*\" ip daddr { 10.137.0.5, 10.137.0.6 } drop",
        "iifname != \"vif*\" ip6 saddr { fd09::5 } drop",
        "oifname != \"vif*\" ip6 daddr { fd09::5 } drop",
    ] {
        assert_eq!(rules.matches(line).count(), 1, "{line}\n{rules}");
    }
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Passed);
    // The other qube goes away: its address is one like any other.
    qube.database.write("/connected-ips", b"10.137.0.5");
    qube.database.trigger(CLIENT);
    let rules = qube.networks.ruleset();
    assert!(
        rules.contains("ip saddr 10.137.0.5 drop")
            || rules.contains("ip saddr { 10.137.0.5 } drop"),
        "{rules}"
    );
    assert!(!rules.contains("10.137.0.6"), "{rules}");
}
