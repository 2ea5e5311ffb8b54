//! The table of errors, row by row: what is not understood blocks its address, that address only,
//! and ends nothing.

use std::net::IpAddr;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use qfile_tests::firewall::{CLIENT, CLIENT6, Database, OTHER, Qube, SERVERS, SERVERS6};
use qfile_tests::network::Fate::{Passed, Rejected};
use qfile_tests::network::Probe::{Ping, Tcp, Udp};
use qfile_tests::network::needs_networks;

qfile_tests::suite! {
    every_error_blocks_its_address_wholly [needs_networks],
    every_error_of_ipv6_does_too [needs_networks],
    entries_that_are_no_rules_block [needs_networks],
    an_address_that_is_none_is_refused [needs_networks],
    one_address_under_two_texts_is_blocked [needs_networks],
    removing_everything_is_no_address [needs_networks],
    any_user_of_notices_starts_the_firewall [needs_networks],
    any_bytes_in_any_key_end_nothing [needs_networks],
}

/// Rules that the contract wants to be errors, of IPv4 addresses.
const ERRORS: &[&[u8]] = &[
    // No action; unknown key; dst6 for IPv4; unknown action.
    b"dst4=192.0.2.2",
    b"proto=tcp",
    b"action=accept dpi=NO",
    b"action=accept dst6=2000::/3",
    b"action=reject",
    b"action=ACCEPT",
    b"action=",
    // Address, ports, icmptype, proto that nft refuses.
    b"action=accept dst4=192.0.2.256",
    b"action=accept dst4=192.0.2.0/33",
    b"action=accept proto=tcp dstports=443-80",
    b"action=accept proto=tcp dstports=1-65536",
    b"action=accept proto=icmp icmptype=256",
    b"action=accept proto=nonsense",
    // Blanks, tab, newline, empty, KEY without "=", two "=", not UTF-8.
    b"action=accept  proto=tcp",
    b" action=accept",
    b"action=accept ",
    b"action=accept\tproto=tcp",
    b"action=accept\nproto=tcp",
    b"action=accept\n",
    b"",
    b"action=accept proto",
    b"action=accept proto==tcp",
    b"action=accept dsthost=\xff\xfe",
    // specialtarget with something else.
    b"action=accept specialtarget=foo",
    b"action=accept specialtarget=DNS",
    b"action=accept specialtarget=",
    // A key twice; another order.
    b"action=accept action=accept",
    b"action=accept proto=tcp proto=tcp",
    b"proto=tcp action=accept",
    b"action=accept proto=tcp dst4=192.0.2.2",
    // dst4 and dsthost.
    b"action=accept dst4=192.0.2.2 dsthost=localhost",
    // dstports without proto; icmptype without proto.
    b"action=accept dstports=80-80",
    b"action=accept icmptype=8",
    b"action=accept proto=icmp dstports=80-80",
    b"action=accept proto=udp icmptype=8",
    // Syntax of nft.
    b"action=accept dst4=192.0.2.2;",
    b"action=accept dst4=192.0.2.2;accept",
    b"action=accept dst4=192.0.2.2\naccept",
    b"action=accept dst4=localhost",
    b"action=accept dst4=192.0.2.1-192.0.2.9",
    b"action=accept dst4={192.0.2.2}",
    b"action=accept dst4=@dns-addr",
    b"action=accept dst4=\"192.0.2.2\"",
    b"action=accept dst4=192.0.2.2#",
    b"action=accept proto=6",
    b"action=accept proto=TCP",
    b"action=accept proto={tcp,udp}",
    b"action=accept proto=icmpv6",
    b"action=accept proto=sctp",
    b"action=accept proto=tcp dstports=http-http",
    b"action=accept proto=tcp dstports={80,443}",
    b"action=accept proto=tcp dstports=0x50-0x50",
    b"action=accept proto=tcp dstports=80",
    b"action=accept proto=icmp icmptype=echo-request",
];

fn is_closed(qube: &Qube, what: &str) {
    for probe in [Tcp(80), Udp(80), Ping] {
        assert_eq!(qube.networks.probe(probe, SERVERS[0]), Rejected, "{what}");
    }
}

fn other_passes(qube: &Qube) {
    let server: IpAddr = SERVERS[0].parse().unwrap();
    assert_eq!(qube.networks.other.run(|| Tcp(80).to(server)), Passed);
}

/// Blocked by this error, with a rule before and after that would let everything through; then open
/// again.
fn every_error_blocks_its_address_wholly() {
    let mut qube = Qube::new();
    qube.database.set_rules(OTHER, "accept", &[]);
    for error in ERRORS {
        qube.database
            .set_rules(CLIENT, "accept", &["action=accept", "action=accept"]);
        assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Passed);
        qube.database
            .write(&format!("/qubes-firewall/{CLIENT}/0001"), error);
        qube.database
            .write(&format!("/qubes-firewall/{CLIENT}/0002"), b"action=accept");
        qube.database.trigger(CLIENT);
        is_closed(&qube, &error.escape_ascii().to_string());
        other_passes(&qube);
    }
    let said = qube.agent.end(rustix::process::Signal::INT).1;
    let lines = said
        .lines()
        .filter(|line| line.contains("10.137.0.5 is blocked: rule 0001, column"));
    assert_eq!(lines.count(), ERRORS.len(), "{said}");
}

fn every_error_of_ipv6_does_too() {
    let mut qube = Qube::new();
    for error in [
        "action=accept dst4=192.0.2.2",
        "action=accept dst6=fe80::1%eth0",
        "action=accept dst6=::/129",
        "action=accept dst6=192.0.2.2",
        "action=accept proto=icmpv6",
        "action=accept  proto=tcp",
    ] {
        qube.database.set_rules(CLIENT6, "accept", &[]);
        assert_eq!(qube.networks.probe(Tcp(80), SERVERS6[0]), Passed);
        qube.database
            .set_rules(CLIENT6, "accept", &["action=accept", error]);
        for probe in [Tcp(80), Udp(80), Ping] {
            assert_eq!(qube.networks.probe(probe, SERVERS6[0]), Rejected, "{error}");
        }
    }
}

fn entries_that_are_no_rules_block() {
    let mut qube = Qube::new();
    let rows: [(&str, &[u8]); 8] = [
        ("10000", b"action=accept"),
        ("000", b"action=accept"),
        ("abcd", b"action=accept"),
        ("0000/x", b"action=accept"),
        ("policy/x", b"accept"),
        ("policy", b"ACCEPT"),
        ("policy", b"accept\n"),
        ("policy", b""),
    ];
    for (key, value) in rows {
        qube.database
            .set_rules(CLIENT, "accept", &["action=accept"]);
        assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Passed);
        qube.database
            .write(&format!("/qubes-firewall/{CLIENT}/{key}"), value);
        qube.database.trigger(CLIENT);
        is_closed(&qube, key);
    }
    // No policy.
    qube.database
        .set_rules(CLIENT, "accept", &["action=accept"]);
    qube.database
        .remove(&format!("/qubes-firewall/{CLIENT}/policy"));
    qube.database.trigger(CLIENT);
    is_closed(&qube, "no policy");
    // No entries.
    qube.database
        .set_rules(CLIENT, "accept", &["action=accept"]);
    qube.database.remove(&format!("/qubes-firewall/{CLIENT}/"));
    qube.database.trigger(CLIENT);
    is_closed(&qube, "no entries");
}

fn an_address_that_is_none_is_refused() {
    let mut qube = Qube::new();
    for address in [
        "10.137.0",
        "10.137.0.05",
        "localhost",
        "10.137.0.5@x",
        "..",
        "fe80::1:",
    ] {
        qube.database
            .set_rules(address, "accept", &["action=accept  x"]);
        qube.agent
            .wait_for_line("is no address, so its rules are for nobody");
    }
    qube.database.set_rules(CLIENT, "accept", &[]);
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Passed);
    assert_eq!(qube.networks.ruleset().matches("jump qbs-").count(), 1);
}

fn one_address_under_two_texts_is_blocked() {
    let mut qube = Qube::new();
    qube.database.set_rules("fd09::5", "accept", &[]);
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS6[0]), Passed);
    qube.database.set_rules("FD09::5", "accept", &[]);
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS6[0]), Rejected);
    qube.database.remove("/qubes-firewall/FD09::5/");
    qube.database.trigger("FD09::5");
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS6[0]), Passed);
}

fn removing_everything_is_no_address() {
    let mut qube = Qube::new();
    qube.database.set_rules(CLIENT, "accept", &[]);
    qube.database.remove("/qubes-firewall/");
    // Nothing is to be read before dom0 says so.
    qube.database.set_rules(OTHER, "accept", &[]);
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Passed);
    qube.database.trigger(CLIENT);
    is_closed(&qube, "nothing is left");
}

/// Read once, at the start.
fn any_user_of_notices_starts_the_firewall() {
    let long = [b'a'; 3071];
    for user in [
        &b""[..],
        b"root",
        b"no such user",
        b"../../etc/passwd",
        b"\xff\xfe\x1b[2J",
        b"root\nnobody",
        &long,
    ] {
        let mut database = Database::new();
        database.write("/default-user", user);
        database.write_rules(CLIENT, "accept", &["nonsense"]);
        database.write_rules(OTHER, "accept", &[]);
        let qube = Qube::with(database, &[CLIENT, OTHER]);
        is_closed(&qube, &user.escape_ascii().to_string());
        other_passes(&qube);
        // Nobody shows notices with the rights of root.
        let child = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = child(qube.agent.pid()).unwrap();
        for pid in children.split_whitespace() {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            assert!(!line.ends_with(b"--notices\0"), "{}", user.escape_ascii());
        }
    }
}

/// Everything that QubesDB can hold, under every key that is read.
fn any_bytes_in_any_key_end_nothing() {
    let mut qube = Qube::new();
    qube.database.set_rules(OTHER, "accept", &[]);
    let mut runner = TestRunner::new(Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    });
    let path = prop_oneof![
        3 => "/qubes-firewall/10[.]137[.]0[.]5/[0-9a-z/.:@_-]{1,12}",
        1 => "/qubes-firewall/[0-9a-zA-Z/.:@_-]{1,40}",
        1 => Just("/connected-ips".to_owned()),
        1 => Just("/connected-ips6".to_owned()),
        1 => Just("/qubes-firewall/10.137.0.5".to_owned()),
        1 => Just("/qubes-firewall-handled/10.137.0.5".to_owned()),
        1 => "/dns/[0-9a-z/.:]{1,20}",
    ];
    let path = path.prop_filter("a key", |path| {
        !path.ends_with('/') && !path.contains("10.137.0.6")
    });
    let value = prop_oneof![
        proptest::collection::vec(1_u8..=255, 0..3000),
        proptest::collection::vec(1_u8..=255, 0..40),
        "action=accept( [a-z46]{3,8}=[a-z0-9./;{}@-]{0,9}){0,3}".prop_map(String::into_bytes),
        "[0-9. :]{0,60}".prop_map(String::into_bytes),
        Just(b"18446744073709551615".to_vec()),
    ];
    let writes = proptest::collection::vec((path, value), 1..8);
    let qube = std::cell::RefCell::new(&mut qube);
    let unharmed = runner.run(&writes, |writes| {
        let mut qube = qube.borrow_mut();
        for (path, value) in &writes {
            qube.database.write(path, value);
        }
        qube.database.trigger(CLIENT);
        Ok(())
    });
    unharmed.unwrap();
    let mut qube = qube.borrow_mut();
    // It is the same process, and does its work.
    for address in [CLIENT, OTHER] {
        qube.database.remove("/connected-ips");
        qube.database.set_rules(address, "accept", &[]);
    }
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Passed);
    other_passes(&qube);
}
