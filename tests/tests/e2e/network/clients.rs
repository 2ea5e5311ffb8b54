//! The interfaces of qubes behind a network qube: which addresses may come from them.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use qfile_tests::firewall::{CLIENT, CLIENT6, Networks, OTHER};
use qfile_tests::interfaces::{Qube, in_qube};
use qfile_tests::interrupted::uninterrupted;
use qfile_tests::network::{Namespace, needs_networks};
use qfile_tests::programs::{program, source};
use qfile_tests::user::needs_private_mounts;

qfile_tests::suite! {
    the_tables_are_those_of_the_contract [needs_networks, needs_private_mounts],
    only_a_clients_own_addresses_come_from_it [needs_networks, needs_private_mounts],
    nothing_comes_from_a_client_before_it_is_added [needs_networks, needs_private_mounts],
    an_interface_of_the_group_is_a_clients_whatever_its_name [needs_networks, needs_private_mounts],
    a_clients_address_comes_from_nowhere_else [needs_networks, needs_private_mounts],
    the_second_time_changes_nothing [needs_networks, needs_private_mounts],
    remove_undoes_add [needs_networks, needs_private_mounts],
    other_addresses_replace_those_that_were [needs_networks, needs_private_mounts],
    the_lists_of_connected_qubes_are_kept [needs_networks, needs_private_mounts],
    what_a_step_that_failed_has_left_goes_with_the_next_one [needs_networks, needs_private_mounts],
    what_is_not_understood_closes_the_interface [needs_networks, needs_private_mounts],
    xen_is_told_whether_an_interface_can_be_used [needs_networks, needs_private_mounts],
    other_chains_of_the_tables_stay [needs_networks, needs_private_mounts],
}

const GATEWAY: [(&str, &str); 3] = [
    ("/qubes-netvm-network", "10.137.0.0"),
    ("/qubes-netvm-gateway", "10.138.0.1"),
    ("/qubes-netvm-gateway6", "fd0a::1"),
];

/// Nobody waits that long when all is well.
const HANGS_AFTER: Duration = Duration::from_secs(30);

/// A network qube in which no client is added yet.
fn in_network_qube(body: impl FnOnce(&mut Qube, &Networks) + Send) {
    in_qube(|qube| {
        let networks = Networks::new();
        qube.write(&GATEWAY);
        body(qube, &networks);
    });
}

fn add(qube: &Qube, networks: &Networks, words: &str) {
    let done = qube.run(&networks.firewall, &format!("client add {words}"));
    done.assert_code(0);
    assert_eq!(done.stderr(), "");
}

fn tables(networks: &Networks) -> String {
    networks.ruleset()
}

/// Sends `text` from an address, which need not be one of the namespace's.
fn send(from: &Namespace, source: &str, destination: SocketAddr, text: &str) {
    let source: IpAddr = source.parse().unwrap();
    let bits = if source.is_ipv4() { "32" } else { "128 nodad" };
    let is_there = from.run(|| UdpSocket::bind((source, 0)).is_ok());
    if !is_there {
        from.ip(&format!("addr add {source}/{bits} dev lo"));
    }
    from.run(|| {
        let socket = UdpSocket::bind((source, 0)).unwrap();
        socket.send_to(text.as_bytes(), destination).unwrap();
    });
}

/// What arrives at the server, until `end` does.
fn received(socket: &UdpSocket, end: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let mut bytes = [0; 100];
        let len = uninterrupted(|| socket.recv(&mut bytes)).expect("it arrives in time");
        let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
        if text == end {
            return all;
        }
        all.push(text);
    }
}

fn listen(networks: &Networks, address: &str) -> UdpSocket {
    let address: IpAddr = address.parse().unwrap();
    let socket = networks
        .server
        .run(|| UdpSocket::bind((address, 0)).unwrap());
    socket.set_read_timeout(Some(HANGS_AFTER)).unwrap();
    socket
}

fn the_tables_are_those_of_the_contract() {
    in_network_qube(|qube, networks| {
        qube.run(&networks.firewall, "start").assert_code(0);
        add(qube, networks, "vif1.0 10.137.0.5 fd09::5");
        let text = networks
            .firewall
            .feed("nft", &["list", "table", "ip", "qubes"], "");
        assert_eq!(
            text,
            "table ip qubes {\n\
             \tset downstream {\n\t\ttype ipv4_addr\n\t\telements = { 10.137.0.5 }\n\t}\n\n\
             \tset allowed {\n\t\ttype ifname . ipv4_addr\n\
             \t\telements = { \"vif1.0\" . 10.137.0.5 }\n\t}\n\n\
             \tchain antispoof {\n\t\tiifname . ip saddr @allowed accept\n\t\tdrop\n\t}\n\n\
             \tchain prerouting {\n\t\ttype filter hook prerouting priority raw; policy accept;\n\
             \t\tiifgroup 2 goto antispoof\n\t\tiifname \"vif*\" goto antispoof\n\
             \t\tip saddr @downstream drop\n\t}\n}\n"
        );
        let text = networks
            .firewall
            .feed("nft", &["list", "table", "ip6", "qubes"], "");
        for expected in [
            "type ifname . ipv6_addr\n\t\telements = { \"vif1.0\" . fd09::5 }",
            "\t\tiifname . ip6 saddr @allowed accept\n",
            "icmpv6 type 135-136 ip6 saddr fe80::/10 accept",
        ] {
            // How nft shows a range of types depends on its version.
            let text = text.replace(
                "icmpv6 type nd-neighbor-solicit-nd-neighbor-advert",
                "icmpv6 type 135-136",
            );
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
        let link = networks
            .firewall
            .feed("ip", &["-o", "link", "show", "dev", "vif1.0"], "");
        assert!(link.contains(" group 2 "), "{link}");
        let route = networks.firewall.feed(
            "ip",
            &["route", "show", "10.137.0.5", "proto", "static"],
            "",
        );
        assert!(
            route.contains("dev vif1.0 scope link metric 32751"),
            "{route}"
        );
    });
}

fn only_a_clients_own_addresses_come_from_it() {
    in_network_qube(|qube, networks| {
        qube.run(&networks.firewall, "start").assert_code(0);
        add(qube, networks, &format!("vif1.0 {CLIENT} {CLIENT6}"));
        add(qube, networks, &format!("vif2.0 {OTHER} fd09::6"));
        for (server, own, spoofed) in [
            ("192.0.2.2", CLIENT, [OTHER, "10.137.0.66", "192.0.2.9"]),
            (
                "2001:db8::2",
                CLIENT6,
                ["fd09::6", "fd09::66", "2001:db8::9"],
            ),
        ] {
            let socket = listen(networks, server);
            let destination = socket.local_addr().unwrap();
            for source in spoofed {
                send(&networks.client, source, destination, source);
            }
            send(&networks.client, own, destination, "own");
            assert_eq!(received(&socket, "own"), [""; 0]);
            send(&networks.client, own, destination, "end");
            assert_eq!(received(&socket, "end"), [""; 0]);
        }
    });
}

fn nothing_comes_from_a_client_before_it_is_added() {
    in_network_qube(|qube, networks| {
        qube.run(&networks.firewall, "start").assert_code(0);
        let socket = listen(networks, "192.0.2.2");
        let destination = socket.local_addr().unwrap();
        send(&networks.client, CLIENT, destination, "before");
        add(qube, networks, &format!("vif1.0 {CLIENT}"));
        send(&networks.client, CLIENT, destination, "added");
        assert_eq!(received(&socket, "added"), [""; 0]);
        qube.run(&networks.firewall, "client remove vif1.0")
            .assert_code(0);
        networks
            .firewall
            .ip("link set vif1.0 up\nroute add 10.137.0.5 dev vif1.0");
        send(&networks.client, CLIENT, destination, "removed");
        add(qube, networks, &format!("vif1.0 {CLIENT}"));
        send(&networks.client, CLIENT, destination, "again");
        assert_eq!(received(&socket, "again"), [""; 0]);
    });
}

fn an_interface_of_the_group_is_a_clients_whatever_its_name() {
    in_network_qube(|qube, networks| {
        add(qube, networks, &format!("vif1.0 {CLIENT}"));
        let socket = networks
            .client
            .run(|| UdpSocket::bind((CLIENT, 0)).unwrap());
        socket.set_read_timeout(Some(HANGS_AFTER)).unwrap();
        let destination = socket.local_addr().unwrap();
        networks.firewall.ip("link set eth0 group 2");
        send(&networks.server, "192.0.2.2", destination, "in the group");
        networks.firewall.ip("link set eth0 group 0");
        send(&networks.server, "192.0.2.2", destination, "in none");
        assert_eq!(received(&socket, "in none"), [""; 0]);
    });
}

fn a_clients_address_comes_from_nowhere_else() {
    in_network_qube(|qube, networks| {
        add(qube, networks, &format!("vif1.0 {CLIENT}"));
        add(qube, networks, &format!("vif2.0 {OTHER}"));
        // From the network before it, to the client.
        networks.client.ip("addr add 10.137.0.5/32 dev lo");
        let socket = networks
            .client
            .run(|| UdpSocket::bind((CLIENT, 0)).unwrap());
        socket.set_read_timeout(Some(HANGS_AFTER)).unwrap();
        let destination = socket.local_addr().unwrap();
        send(&networks.server, OTHER, destination, "spoofed");
        send(&networks.server, "192.0.2.2", destination, "own");
        assert_eq!(received(&socket, "own"), [""; 0]);
    });
}

fn the_second_time_changes_nothing() {
    in_network_qube(|qube, networks| {
        let state = || {
            let of = |arguments: &[&str]| networks.firewall.feed("ip", arguments, "");
            let neighbours = of(&["neigh", "show", "nud", "permanent"]);
            format!(
                "{}{}{}{neighbours}",
                tables(networks),
                of(&["-4", "route"]),
                of(&["-o", "-4", "addr"])
            )
        };
        let words = format!("vif1.0 {CLIENT} {CLIENT6} --mac 00:16:3e:5e:6c:00");
        add(qube, networks, &words);
        let first = state();
        assert!(
            first.contains("10.137.0.5 dev vif1.0 lladdr 00:16:3e:5e:6c:00 PERMANENT"),
            "{first}"
        );
        add(qube, networks, &words);
        qube.run(&networks.firewall, "start").assert_code(0);
        assert_eq!(state(), first);
        let list = qube.database.read("/connected-ips");
        assert_eq!(list.as_deref(), Some(CLIENT));
    });
}

fn remove_undoes_add() {
    in_network_qube(|qube, networks| {
        qube.run(&networks.firewall, "start").assert_code(0);
        let before = tables(networks);
        let words = format!("vif1.0 {CLIENT} {CLIENT6} --mac 00:16:3e:5e:6c:00");
        add(qube, networks, &words);
        assert_ne!(tables(networks), before);
        for _ in ["once", "twice"] {
            qube.run(&networks.firewall, "client remove vif1.0")
                .assert_code(0);
            assert_eq!(tables(networks), before);
            let link = networks
                .firewall
                .feed("ip", &["-o", "link", "show", "dev", "vif1.0"], "");
            assert!(!link.contains(",UP"), "{link}");
            let of = |arguments: &[&str]| networks.firewall.feed("ip", arguments, "");
            assert_eq!(of(&["neigh", "show", "nud", "permanent"]), "");
            assert_eq!(of(&["-o", "-4", "addr", "show", "dev", "vif1.0"]), "");
            assert_eq!(qube.database.read("/connected-ips").as_deref(), Some(""));
        }
        // An interface that is gone already leaves nothing either.
        add(qube, networks, &words);
        networks.firewall.ip("link delete vif1.0");
        qube.run(&networks.firewall, "client remove vif1.0")
            .assert_code(0);
        assert_eq!(tables(networks), before);
    });
}

fn other_addresses_replace_those_that_were() {
    in_network_qube(|qube, networks| {
        add(qube, networks, &format!("vif1.0 {CLIENT} {CLIENT6}"));
        add(qube, networks, "vif1.0 10.137.0.77");
        let text = tables(networks);
        assert!(
            !text.contains("10.137.0.5") && !text.contains("fd09::5"),
            "{text}"
        );
        assert!(text.contains("\"vif1.0\" . 10.137.0.77"), "{text}");
        let routes = networks
            .firewall
            .feed("ip", &["route", "show", "proto", "static"], "");
        assert!(!routes.contains("10.137.0.5"), "{routes}");
        assert_eq!(
            qube.database.read("/connected-ips").as_deref(),
            Some("10.137.0.77")
        );
        assert_eq!(qube.database.read("/connected-ips6").as_deref(), Some(""));
    });
}

fn the_lists_of_connected_qubes_are_kept() {
    in_network_qube(|qube, networks| {
        // As dom0 writes it: there is nothing to do.
        qube.write(&[("/connected-ips", "10.137.0.9 10.137.0.5")]);
        add(qube, networks, &format!("vif1.0 {CLIENT}"));
        assert_eq!(
            qube.database.read("/connected-ips").as_deref(),
            Some("10.137.0.9 10.137.0.5")
        );
        add(qube, networks, &format!("vif2.0 {OTHER} {CLIENT6}"));
        assert_eq!(
            qube.database.read("/connected-ips").as_deref(),
            Some("10.137.0.9 10.137.0.5 10.137.0.6")
        );
        assert_eq!(
            qube.database.read("/connected-ips6").as_deref(),
            Some(CLIENT6)
        );
        // Words that are no address go when the list is written.
        qube.database
            .write("/connected-ips", b"10.137.0.9 \xff;drop 10.137.0.5");
        qube.run(&networks.firewall, "client remove vif1.0")
            .assert_code(0);
        assert_eq!(
            qube.database.read("/connected-ips").as_deref(),
            Some("10.137.0.9")
        );
    });
}

fn what_a_step_that_failed_has_left_goes_with_the_next_one() {
    in_network_qube(|qube, networks| {
        qube.run(&networks.firewall, "start").assert_code(0);
        let before = tables(networks);
        let without_qubesdb = |qube: &Qube, words: &str| {
            let mut command = qube.command(words);
            command.env("QUBESDB_DIR", "/no/such/folder");
            let done = networks.firewall.run(|| qfile_tests::process::run(command));
            done.assert_code(1);
            done.assert_says("cannot ask QubesDB");
            assert!(!tables(networks).contains("\"vif1.0\" . "));
        };
        for failing in [
            "client remove vif1.0".to_owned(),
            format!("client add vif1.0 {CLIENT}"),
        ] {
            for next in ["client remove vif1.0", "client remove vif2.0"] {
                add(qube, networks, &format!("vif1.0 {CLIENT} {CLIENT6}"));
                without_qubesdb(qube, &failing);
                // The list still has it, so no other interface may use it.
                assert_eq!(
                    qube.database.read("/connected-ips").as_deref(),
                    Some(CLIENT)
                );
                assert!(tables(networks).contains("elements = { 10.137.0.5 }"));
                qube.run(&networks.firewall, next).assert_code(0);
                for key in ["/connected-ips", "/connected-ips6"] {
                    assert_eq!(qube.database.read(key).as_deref(), Some(""), "{failing}");
                }
                assert_eq!(tables(networks), before, "{failing}");
            }
        }
    });
}

fn what_is_not_understood_closes_the_interface() {
    in_network_qube(|qube, networks| {
        let words = format!("vif1.0 {CLIENT}");
        for (key, value) in [
            ("/qubes-netvm-gateway", "10.138.0.1;"),
            ("/qubes-netvm-gateway6", "10.138.0.1"),
            ("/qubes-netvm-primary-dns", "\n"),
            ("/qubes-netvm-secondary-dns", "localhost"),
            ("/qubes-netvm-network", ""),
            ("/mapped-ip/10.137.0.5/visible-ip", "10.0.0.1"),
            ("/mapped-ip/10.137.0.5/visible-ip", "\u{1}"),
            ("/mapped-ip/10.137.0.5/visible-gateway", "10.0.0.2"),
        ] {
            qube.database.remove("/");
            qube.write(&GATEWAY);
            add(qube, networks, &words);
            qube.write(&[(key, value)]);
            let done = qube.run(&networks.firewall, &format!("client add {words}"));
            done.assert_code(1);
            done.assert_says("qubes-network: cannot add \"vif1.0\"");
            done.assert_says(&format!("key \"{key}\""));
            done.assert_says("nothing comes from it");
            // Other interfaces are still kept from the address, as the lists still have it.
            assert!(!tables(networks).contains("\"vif1.0\" . "), "{key}");
        }
        qube.database.remove("/mapped-ip/");
        let done = qube.run(&networks.firewall, "client add vif9.0 10.137.0.5");
        done.assert_code(1);
        done.assert_says("there is no such interface");
    });
}

/// Xen is not here: `xenstore-read` and `xenstore-write` are stand-ins.
fn xen_is_told_whether_an_interface_can_be_used() {
    in_network_qube(|qube, networks| {
        let script = std::path::Path::new("/run/bin/vif-route-qfile");
        std::fs::create_dir("/run/bin").unwrap();
        std::fs::copy(source("packaging/xen/vif-route-qfile"), script).unwrap();
        std::os::unix::fs::symlink(program("qubes-network"), "/run/bin/qubes-network").unwrap();
        let run = |qube: &Qube, action: &str| {
            let mut command = std::process::Command::new(script);
            command
                .arg(action)
                .env("QUBESDB_DIR", qube.database.sockets())
                .env("PATH", "/run/stand-ins")
                .env("vif", "vif1.0")
                .env("XENBUS_PATH", "backend/vif/1/0");
            networks.firewall.run(|| qfile_tests::process::run(command))
        };
        qube.stand_in("xenstore-write", 0);
        // Both values of the interface are what the path says.
        let values = "case $1 in */ip) cat /run/ip;; */mac) echo 00:16:3e:5e:6c:00;; esac";
        qfile_tests::interfaces::script("/run/stand-ins/xenstore-read".as_ref(), values);
        for (addresses, answer) in [
            ("10.137.0.5 fd09::5", "connected"),
            ("10.137.0.5 *", "error"),
            ("--mac=00:16:3e:5e:6c:01 10.137.0.5", "error"),
            ("", "error"),
        ] {
            std::fs::write("/run/ip", addresses).unwrap();
            let done = run(qube, "online");
            assert_eq!(done.code() == 0, answer == "connected", "{}", done.stderr());
            let noted = format!("xenstore-write backend/vif/1/0/hotplug-status {answer}");
            assert_eq!(qube.notes(), [noted]);
            let is_open = tables(networks).contains("\"vif1.0\" . 10.137.0.5");
            assert_eq!(is_open, answer == "connected", "{addresses}");
        }
        std::fs::write("/run/ip", CLIENT).unwrap();
        run(qube, "online").assert_code(0);
        run(qube, "offline").assert_code(0);
        assert!(!tables(networks).contains(CLIENT));
    });
}

fn other_chains_of_the_tables_stay() {
    in_network_qube(|qube, networks| {
        let others = "add table ip qubes\nadd chain ip qubes custom-input\n\
             add rule ip qubes custom-input tcp dport 22 accept\n\
             add set ip qubes downstream { type ipv4_addr; }\n\
             add set ip qubes allowed { type ifname . ipv4_addr; }\n\
             add chain ip qubes prerouting { type filter hook prerouting priority raw; policy accept; }\n\
             add chain ip qubes antispoof\n\
             add element ip qubes allowed { \"vif2.0\" . 10.137.0.6 }\n\
             add rule ip qubes antispoof accept\n";
        networks.firewall.feed("nft", &["-f", "-"], others);
        add(qube, networks, &format!("vif1.0 {CLIENT}"));
        qube.run(&networks.firewall, "client remove vif1.0")
            .assert_code(0);
        let text = networks
            .firewall
            .feed("nft", &["list", "table", "ip", "qubes"], "");
        assert!(
            text.contains("chain custom-input {\n\t\ttcp dport 22 accept"),
            "{text}"
        );
        assert!(
            text.contains("elements = { \"vif2.0\" . 10.137.0.6 }"),
            "{text}"
        );
        assert!(
            text.contains(
                "chain antispoof {\n\t\tiifname . ip saddr @allowed accept\n\t\tdrop\n\t}"
            ),
            "{text}"
        );
    });
}
