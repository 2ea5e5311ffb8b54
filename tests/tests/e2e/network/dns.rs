//! DNS requests of clients, and the name servers of the network qube.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use qfile_tests::firewall::Networks;
use qfile_tests::interfaces::{KEYS, Pair, Qube, in_qube};
use qfile_tests::interrupted::uninterrupted;
use qfile_tests::network::needs_networks;
use qfile_tests::user::needs_private_mounts;

qfile_tests::suite! {
    requests_go_to_the_servers_of_the_network_qube [needs_networks, needs_private_mounts],
    the_servers_of_resolved_come_first [needs_networks, needs_private_mounts],
    without_a_server_nothing_is_answered [needs_networks, needs_private_mounts],
    what_is_so_already_is_not_changed [needs_networks, needs_private_mounts],
    a_key_that_is_not_understood_changes_nothing [needs_networks, needs_private_mounts],
    setup_ip_redirects_too [needs_networks, needs_private_mounts],
}

const NETVM: [(&str, &str); 3] = [
    ("/qubes-netvm-network", "10.137.0.0"),
    ("/qubes-netvm-primary-dns", "10.139.1.1"),
    ("/qubes-netvm-secondary-dns", "10.139.1.2"),
];

/// Nobody waits that long when all is well.
const HANGS_AFTER: Duration = Duration::from_secs(30);

fn chain(networks: &Networks, family: &str) -> String {
    networks
        .firewall
        .feed("nft", &["list", "chain", family, "qubes", "dnat-dns"], "")
}

/// Answers requests at port 53 of an address of the server with that address, `times` by UDP and
/// as often by TCP.
fn serve(networks: &Networks, address: &str, times: usize) {
    let ip: IpAddr = address.parse().unwrap();
    let (udp, tcp) = networks.server.run(|| {
        (
            UdpSocket::bind((ip, 53)).unwrap(),
            TcpListener::bind((ip, 53)).unwrap(),
        )
    });
    let name = address.to_owned();
    thread::spawn(move || {
        for _ in 0..times {
            let (_, from) = uninterrupted(|| udp.recv_from(&mut [0; 10])).unwrap();
            udp.send_to(name.as_bytes(), from).unwrap();
            let (mut stream, _) = tcp.accept().unwrap();
            stream.write_all(name.as_bytes()).unwrap();
        }
    });
}

/// Who answers when the client asks an address, by UDP and by TCP.
fn ask(networks: &Networks, asked: &str) -> [String; 2] {
    let asked: IpAddr = asked.parse().unwrap();
    networks.client.run(|| {
        let any: IpAddr = if asked.is_ipv4() {
            [0; 4].into()
        } else {
            [0_u16; 8].into()
        };
        let socket = UdpSocket::bind((any, 0)).unwrap();
        socket.set_read_timeout(Some(HANGS_AFTER)).unwrap();
        socket.connect((asked, 53)).unwrap();
        socket.send(b"?").unwrap();
        let mut answer = [0; 100];
        let len = uninterrupted(|| socket.recv(&mut answer)).unwrap();
        let address = SocketAddr::new(asked, 53);
        let mut stream = TcpStream::connect_timeout(&address, HANGS_AFTER).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        [String::from_utf8_lossy(&answer[..len]).into_owned(), text]
    })
}

fn requests_go_to_the_servers_of_the_network_qube() {
    in_qube(|qube| {
        let networks = Networks::new();
        qube.write(&NETVM);
        qube.write(&[("/qubes-netvm-secondary-dns", "10.139.1.2")]);
        fs::write(
            "/etc/resolv.conf",
            "nameserver 127.0.0.53\nnameserver 192.0.2.130\nnameserver 2001:db8::2\nnameserver 192.0.2.2\n",
        )
        .unwrap();
        for server in ["192.0.2.2", "192.0.2.130"] {
            serve(&networks, server, 1);
        }
        qube.run(&networks.firewall, "dns").assert_code(0);
        // In the order of the file, which need not be that of numbers.
        assert_eq!(ask(&networks, "10.139.1.1"), ["192.0.2.130", "192.0.2.130"]);
        assert_eq!(ask(&networks, "10.139.1.2"), ["192.0.2.2", "192.0.2.2"]);
        let text = chain(&networks, "ip");
        for expected in [
            "type nat hook prerouting priority dstnat; policy accept;",
            "ip daddr 10.139.1.1 udp dport 53 dnat to 192.0.2.130 comment \"10.139.1.1 udp to 192.0.2.130\"",
            "ip daddr 10.139.1.2 tcp dport 53 dnat to 192.0.2.2 ",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
        qube.write(&[
            ("/qubes-netvm-primary-dns", "fd0a::53"),
            ("/qubes-netvm-secondary-dns", ""),
        ]);
        serve(&networks, "2001:db8::2", 1);
        qube.run(&networks.firewall, "dns").assert_code(0);
        assert_eq!(ask(&networks, "fd0a::53"), ["2001:db8::2", "2001:db8::2"]);
        assert!(!chain(&networks, "ip").contains("dnat to"));
    });
}

fn the_servers_of_resolved_come_first() {
    in_qube(|qube| {
        let networks = Networks::new();
        qube.write(&NETVM);
        fs::write("/etc/resolv.conf", "nameserver 127.0.0.53\n").unwrap();
        fs::create_dir_all("/run/systemd/resolve").unwrap();
        fs::write("/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.2\n").unwrap();
        qube.run(&networks.firewall, "dns").assert_code(0);
        let text = chain(&networks, "ip");
        assert_eq!(text.matches("dnat to 192.0.2.2 ").count(), 4, "{text}");
    });
}

fn without_a_server_nothing_is_answered() {
    in_qube(|qube| {
        let networks = Networks::new();
        qube.write(&NETVM);
        fs::write(
            "/etc/resolv.conf",
            "nameserver 127.0.0.53\nnameserver x;y\nnameserver ::1\n",
        )
        .unwrap();
        qube.run(&networks.firewall, "dns").assert_code(0);
        let text = chain(&networks, "ip");
        assert_eq!(text.matches(" dport 53 drop comment ").count(), 4, "{text}");
        assert!(!text.contains("dnat to"), "{text}");
    });
}

fn what_is_so_already_is_not_changed() {
    in_qube(|qube| {
        let networks = Networks::new();
        qube.write(&NETVM);
        qube.stand_in("systemctl", 0);
        let told = "systemctl --no-block try-reload-or-restart qubes-firewall.service";
        // As scripts of Qubes OS call it.
        let run = |qube: &Qube| qube.run_as(&networks.firewall, "qubes-setup-dnat-to-ns", "");
        for server in ["192.0.2.2", "192.0.2.130"] {
            fs::write("/etc/resolv.conf", format!("nameserver {server}\n")).unwrap();
            run(qube).assert_code(0);
            assert_eq!(qube.notes(), [told]);
            let text = networks.ruleset();
            run(qube).assert_code(100);
            assert_eq!(qube.notes(), [""; 0]);
            assert_eq!(networks.ruleset(), text);
        }
        networks
            .firewall
            .feed("nft", &["flush", "chain", "ip", "qubes", "dnat-dns"], "");
        run(qube).assert_code(0);
        // A qube that provides network no longer answers nobody.
        qube.database.remove("/qubes-netvm-network");
        run(qube).assert_code(0);
        run(qube).assert_code(100);
        assert!(!networks.ruleset().contains("10.139.1.1"));
    });
}

fn a_key_that_is_not_understood_changes_nothing() {
    in_qube(|qube| {
        let networks = Networks::new();
        qube.write(&NETVM);
        fs::write("/etc/resolv.conf", "nameserver 192.0.2.2\n").unwrap();
        qube.run(&networks.firewall, "dns").assert_code(0);
        let before = networks.ruleset();
        for key in ["gateway", "gateway6", "primary-dns", "secondary-dns"] {
            let key = format!("/qubes-netvm-{key}");
            for value in [
                &b"10.139.1.1;accept"[..],
                b"10.139.1.1 10.139.1.2",
                b"127.0.0.1",
                b"\xff\x1b",
                b"x",
            ] {
                let old = qube.database.read(&key);
                qube.database.write(&key, value);
                let done = qube.run(&networks.firewall, "dns");
                done.assert_code(1);
                done.assert_says("cannot redirect DNS requests");
                done.assert_says(&format!("key \"{key}\""));
                assert_eq!(networks.ruleset(), before, "{key}");
                qube.database
                    .write(&key, old.unwrap_or_default().as_bytes());
            }
        }
    });
}

fn setup_ip_redirects_too() {
    in_qube(|qube| {
        let pair = Pair::new();
        qube.write(&KEYS);
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        let ruleset = || pair.qube.feed("nft", &["list", "ruleset"], "");
        assert_eq!(ruleset(), "");
        qube.write(&NETVM);
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        // Those that it has just been given.
        let text = ruleset();
        assert!(
            text.contains("ip daddr 10.139.1.2 tcp dport 53 dnat to 10.139.1.2 "),
            "{text}"
        );
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        assert_eq!(ruleset(), text);
    });
}
