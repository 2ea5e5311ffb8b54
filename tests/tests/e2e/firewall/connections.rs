//! Tracked connections: cut when the new rules forbid them, kept when not.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use qfile_tests::firewall::{CLIENT, CLIENT6, Qube, SERVERS, SERVERS6};
use qfile_tests::interrupted::uninterrupted;
use qfile_tests::network::{Fate, fate, needs_networks, ping_again, ping_socket};

qfile_tests::suite! {
    a_tcp_connection_is_cut_when_it_is_forbidden_and_kept_when_not [needs_networks],
    a_udp_connection_too [needs_networks],
    a_ping_that_goes_on_too [needs_networks],
    ports_are_compared_as_numbers [needs_networks],
    where_a_connection_goes_is_judged_behind_translation [needs_networks],
    connections_of_ipv6_too [needs_networks],
    an_error_cuts_everything [needs_networks],
}

const HANGS_AFTER: Duration = Duration::from_secs(30);

/// A TCP connection from the client to the server, each end in its namespace.
struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Connection {
    fn new(qube: &Qube, address: &str, port: u16) -> Self {
        Self::to(qube, address, (address, port))
    }

    fn to(qube: &Qube, addressed: &str, listens: (&str, u16)) -> Self {
        let address: IpAddr = listens.0.parse().unwrap();
        let at = SocketAddr::new(address, listens.1);
        let listener = qube.networks.server.run(|| TcpListener::bind(at).unwrap());
        let to: IpAddr = addressed.parse().unwrap();
        let to = SocketAddr::new(to, listens.1);
        let client = qube
            .networks
            .client
            .run(|| TcpStream::connect_timeout(&to, HANGS_AFTER));
        let client = client.unwrap();
        let (server, _) = listener.accept().unwrap();
        for end in [&client, &server] {
            end.set_read_timeout(Some(HANGS_AFTER)).unwrap();
        }
        Self { client, server }
    }

    /// Does what the client says get there, and the answer back?
    fn is_alive(&mut self) -> bool {
        let mut byte = [0];
        self.client.write_all(b"?").unwrap();
        // A rejected packet is told to the socket by an ICMP message, which TCP takes for a passing
        // trouble; so it is waited for there.
        loop {
            let error = self.client.take_error().unwrap();
            if error.is_some() {
                return false;
            }
            self.server
                .set_read_timeout(Some(Duration::from_millis(20)))
                .unwrap();
            match uninterrupted(|| self.server.read(&mut byte)) {
                Ok(1) => break,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if rejected(&self.client) {
                        return false;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        self.server.write_all(b"!").unwrap();
        self.client.read_exact(&mut byte).is_ok()
    }
}

/// Has the kernel told this socket of an ICMP message?
fn rejected(socket: &TcpStream) -> bool {
    rustix::net::sockopt::socket_error(socket).unwrap().is_err()
}

fn a_tcp_connection_is_cut_when_it_is_forbidden_and_kept_when_not() {
    let mut qube = Qube::new();
    let [a, b, ..] = SERVERS;
    qube.database.set_rules(CLIENT, "accept", &[]);
    let mut kept = Connection::new(&qube, a, 80);
    let forbidden = tracked(&qube, Connection::new(&qube, b, 80));
    assert!(kept.is_alive());
    qube.database
        .set_rules(CLIENT, "drop", &["action=accept dst4=192.0.2.2 proto=tcp"]);
    assert!(kept.is_alive());
    let entries = conntrack(&qube);
    assert!(entries.contains(&format!("dst={a} ")), "{entries}");
    assert!(!entries.contains(&format!("dst={b} ")), "{entries}");
    drop(forbidden);
}

/// The entries of connection tracking.
fn conntrack(qube: &Qube) -> String {
    qube.networks.firewall.run(|| {
        let [v4, v6] = ["ipv4", "ipv6"].map(|family| {
            let output = std::process::Command::new("conntrack")
                .args(["-L", "-f", family])
                .output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        });
        v4 + &v6
    })
}

fn tracked(qube: &Qube, mut connection: Connection) -> Connection {
    assert!(connection.is_alive());
    assert!(conntrack(qube).contains("ASSURED"));
    connection
}

/// A UDP socket of the client and one of the server.
fn datagrams(qube: &Qube, address: &str, port: u16) -> (UdpSocket, UdpSocket) {
    let server = qube
        .networks
        .server
        .run(|| UdpSocket::bind((address, port)).unwrap());
    let client = qube.networks.client.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect((address, port)).unwrap();
        socket
    });
    for socket in [&client, &server] {
        socket.set_read_timeout(Some(HANGS_AFTER)).unwrap();
    }
    (client, server)
}

/// One datagram there and one back.
fn exchanged(client: &UdpSocket, server: &UdpSocket) -> Fate {
    client.send(b"?").unwrap();
    // What does not come there is told to the sender, so that one is asked first.
    let mut byte = [0];
    client
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    server
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    loop {
        if let Ok((_, from)) = uninterrupted(|| server.recv_from(&mut byte)) {
            server.send_to(b"!", from).unwrap();
            client.set_read_timeout(Some(HANGS_AFTER)).unwrap();
            return fate(uninterrupted(|| client.recv(&mut byte)).map(drop)).unwrap();
        }
        match uninterrupted(|| client.recv(&mut byte)) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => {}
            other => return fate(other.map(drop)).unwrap(),
        }
    }
}

fn a_udp_connection_too() {
    let mut qube = Qube::new();
    qube.database.set_rules(CLIENT, "accept", &[]);
    let kept = datagrams(&qube, SERVERS[0], 1000);
    let forbidden = datagrams(&qube, SERVERS[1], 1000);
    for (client, server) in [&kept, &forbidden] {
        assert_eq!(exchanged(client, server), Fate::Passed);
    }
    qube.database.set_rules(
        CLIENT,
        "accept",
        &["action=drop dst4=192.0.2.128/25 proto=udp"],
    );
    assert_eq!(exchanged(&kept.0, &kept.1), Fate::Passed);
    assert_eq!(exchanged(&forbidden.0, &forbidden.1), Fate::Rejected);
}

fn a_ping_that_goes_on_too() {
    let mut qube = Qube::new();
    qube.database
        .set_rules(CLIENT, "drop", &["action=accept proto=icmp icmptype=8"]);
    let server: IpAddr = SERVERS[0].parse().unwrap();
    let socket = qube.networks.client.run(|| ping_socket(server).unwrap());
    let again = || fate(ping_again(&socket, server)).unwrap();
    assert_eq!(again(), Fate::Passed);
    qube.database.trigger(CLIENT);
    assert_eq!(again(), Fate::Passed);
    qube.database
        .set_rules(CLIENT, "drop", &["action=accept proto=icmp icmptype=13"]);
    assert_eq!(again(), Fate::Rejected);
}

/// `80-443` has 100 in it, though "100" comes before "80"; `20-30` has no 2500.
fn ports_are_compared_as_numbers() {
    let mut qube = Qube::new();
    qube.database.set_rules(CLIENT, "accept", &[]);
    let kept = datagrams(&qube, SERVERS[0], 100);
    let forbidden = datagrams(&qube, SERVERS[0], 2500);
    for (client, server) in [&kept, &forbidden] {
        assert_eq!(exchanged(client, server), Fate::Passed);
    }
    let before = conntrack(&qube);
    let rules = [
        "action=accept proto=udp dstports=80-443",
        "action=accept proto=udp dstports=20-30",
    ];
    qube.database.set_rules(CLIENT, "drop", &rules);
    let after = conntrack(&qube);
    for (port, stays) in [(100, true), (2500, false)] {
        assert!(before.contains(&format!("dport={port} ")), "{before}");
        assert_eq!(after.contains(&format!("dport={port} ")), stays, "{after}");
    }
    // The entry is the same, not a new one: the server may speak first.
    kept.1.set_read_timeout(Some(HANGS_AFTER)).unwrap();
    assert_eq!(exchanged(&kept.0, &kept.1), Fate::Passed);
    assert_eq!(exchanged(&forbidden.0, &forbidden.1), Fate::Rejected);
}

fn where_a_connection_goes_is_judged_behind_translation() {
    let mut qube = Qube::new();
    qube.networks.firewall.feed(
        "nft",
        &["-f", "-"],
        "table ip nat {\n\
         chain in { type nat hook prerouting priority dstnat; ip daddr 10.139.1.1 dnat to 192.0.2.2; }\n\
         chain out { type nat hook postrouting priority srcnat; oifname eth0 masquerade; }\n}\n",
    );
    qube.database
        .set_rules(CLIENT, "drop", &["action=accept dst4=192.0.2.2 proto=tcp"]);
    let mut connection = Connection::to(&qube, "10.139.1.1", ("192.0.2.2", 53));
    assert!(connection.is_alive());
    qube.database.trigger(CLIENT);
    assert!(conntrack(&qube).contains("dst=10.139.1.1 "));
    assert!(connection.is_alive());
    qube.database
        .set_rules(CLIENT, "drop", &["action=accept dst4=10.139.1.1 proto=tcp"]);
    assert!(!conntrack(&qube).contains("dst=10.139.1.1 "));
}

fn connections_of_ipv6_too() {
    let mut qube = Qube::new();
    qube.database.set_rules(CLIENT6, "accept", &[]);
    let mut kept = Connection::new(&qube, SERVERS6[0], 80);
    let mut forbidden = Connection::new(&qube, SERVERS6[1], 80);
    assert!(kept.is_alive() && forbidden.is_alive());
    qube.database.set_rules(
        CLIENT6,
        "drop",
        &["action=accept dst6=2001:db8::/64 proto=tcp"],
    );
    let entries = conntrack(&qube);
    assert!(kept.is_alive());
    assert!(
        entries.contains(&format!("dst={} ", SERVERS6[0])),
        "{entries}"
    );
    assert!(
        !entries.contains(&format!("dst={} ", SERVERS6[1])),
        "{entries}"
    );
}

fn an_error_cuts_everything() {
    let mut qube = Qube::new();
    qube.database.set_rules(CLIENT, "accept", &[]);
    let (client, server) = datagrams(&qube, SERVERS[0], 1000);
    assert_eq!(exchanged(&client, &server), Fate::Passed);
    qube.database
        .set_rules(CLIENT, "accept", &["action=accept specialtarget=foo"]);
    assert_eq!(exchanged(&client, &server), Fate::Rejected);
}
