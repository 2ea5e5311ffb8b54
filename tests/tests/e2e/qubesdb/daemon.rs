//! The daemon and its clients, also those that mean no good.

use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use qfile_tests::process::run;
use qfile_tests::qubesdb::{Place, Raw, kind, message};
use qfile_tests::suite;
use rustix::process::{Pid, Signal, kill_process};

suite! {
    one_byte_over_the_read_only_socket_freezes_nobody,
    more_than_256_clients_are_served_at_once,
    ten_thousand_clients_come_and_go,
    a_client_that_goes_before_its_answer_ends_nobody_else,
    a_client_that_asks_much_and_reads_nothing_freezes_nobody,
    a_client_that_floods_leaves_others_their_turn,
    a_watcher_that_does_not_read_is_disconnected_alone,
    an_answer_is_whole_however_slowly_it_is_read,
    commands_behind_each_other_are_answered_in_order_and_after_the_last_byte,
    the_sockets_have_their_modes_and_go_with_the_daemon,
    a_daemon_that_ends_leaves_the_files_of_a_later_one,
    dom0_itself_has_the_short_names_too,
    systemd_is_told,
    in_the_background_the_first_process_ends_when_clients_are_served,
    the_end_of_stdin_can_be_the_end,
}

fn one_byte_over_the_read_only_socket_freezes_nobody() {
    let place = Place::new();
    let _daemon = place.alone();
    let mut halves: Vec<Raw> = (0..10).map(|_| place.raw_read_only()).collect();
    for (number, half) in halves.iter_mut().enumerate() {
        half.send(&message(kind::READ, "/a", b"")[..=number]);
    }
    let mut near_4_gib = message(kind::WRITE, "/a", b"");
    near_4_gib[68..].fill(0xff);
    let mut skipped = place.raw();
    skipped.send(&near_4_gib);
    assert_eq!(place.raw().code(kind::WRITE, "/a", b"v"), kind::OK);
    // What comes late is still obeyed.
    halves[0].send(&message(kind::READ, "/a", b"")[1..]);
    assert_eq!(halves[0].hear().unwrap().0, kind::READ_ANSWER);
}

fn more_than_256_clients_are_served_at_once() {
    let place = Place::new();
    let mut daemon = place.alone();
    let mut clients: Vec<Raw> = (0..1000)
        .map(|number| match number % 2 {
            0 => place.raw(),
            _ => place.raw_read_only(),
        })
        .collect();
    for client in &mut clients {
        assert_eq!(client.code(kind::WATCH, "/a", b""), kind::OK);
    }
    assert_eq!(clients[0].code(kind::WRITE, "/a", b""), kind::OK);
    for client in &mut clients {
        assert_eq!(
            client.hear().unwrap(),
            (kind::CHANGED, "/a".to_owned(), vec![])
        );
    }
    assert!(daemon.is_alive());
}

fn ten_thousand_clients_come_and_go() {
    let place = Place::new();
    let mut daemon = place.alone();
    for _ in 0..10_000 {
        assert_eq!(
            place.raw_read_only().code(kind::READ, "/none", b""),
            kind::MISSING
        );
    }
    assert!(daemon.is_alive());
    let open = fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
        .unwrap()
        .count();
    assert!(open < 100, "{open} descriptors are open");
}

fn a_client_that_goes_before_its_answer_ends_nobody_else() {
    let place = Place::new();
    let mut daemon = place.alone();
    for _ in 0..200 {
        let mut gone = place.raw_read_only();
        gone.send(&message(kind::WATCH, "/", b""));
        gone.send(&message(kind::READ, "/a", b""));
        drop(gone);
        assert_eq!(place.raw().code(kind::WRITE, "/a", b"v"), kind::OK);
    }
    assert!(daemon.is_alive());
}

fn a_client_that_asks_much_and_reads_nothing_freezes_nobody() {
    let place = Place::new();
    let daemon = place.alone();
    let mut good = place.raw();
    for number in 0..400 {
        assert_eq!(
            good.code(kind::WRITE, &format!("/k/{number}"), &[b'x'; 3000]),
            kind::OK
        );
    }
    let mut greedy: Vec<Raw> = (0..20).map(|_| place.raw_read_only()).collect();
    for client in &mut greedy {
        client.send(&message(kind::MULTIREAD, "", b"").repeat(20));
    }
    assert_eq!(good.code(kind::READ, "/k/7", b""), kind::READ_ANSWER);
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    // 20 clients, each with 20 answers of 1.2 MB to come.
    assert!(peak < 40 << 10, "{peak} kB");
}

fn a_client_that_floods_leaves_others_their_turn() {
    let place = Place::new();
    let _daemon = place.alone();
    let mut flooding = place.raw();
    let mut reading = Raw(flooding.0.try_clone().unwrap());
    let flood = std::thread::spawn(move || {
        for _ in 0..200 {
            flooding.send(&message(kind::READ, "/none", b"").repeat(200));
        }
    });
    let drained = std::thread::spawn(move || {
        for _ in 0..200 * 200 {
            assert_eq!(reading.hear().unwrap().0, kind::MISSING);
        }
    });
    let mut good = place.raw();
    for _ in 0..100 {
        assert_eq!(good.code(kind::WRITE, "/a", b"v"), kind::OK);
    }
    flood.join().unwrap();
    drained.join().unwrap();
}

fn a_watcher_that_does_not_read_is_disconnected_alone() {
    let place = Place::new();
    let _daemon = place.alone();
    let (mut slow, mut good) = (place.raw_read_only(), place.raw());
    for _ in 0..25 {
        assert_eq!(slow.code(kind::WATCH, "/", b""), kind::OK);
    }
    for _ in 0..2000 / 25 {
        assert_eq!(good.code(kind::WRITE, "/a", b"v"), kind::OK);
    }
    for _ in 0..2000 {
        assert_eq!(slow.hear().unwrap().0, kind::CHANGED);
    }
    for _ in 0..15_000 {
        assert_eq!(good.code(kind::WRITE, "/a", b"v"), kind::OK);
    }
    // What was sent before the end may be read; then there is no more.
    let events = std::iter::from_fn(|| slow.hear()).count();
    assert!(events < 15_000, "{events}");
}

fn an_answer_is_whole_however_slowly_it_is_read() {
    let place = Place::new();
    let _daemon = place.alone();
    let mut client = place.raw();
    for number in 0..1000 {
        let path = format!("/k/{number:04}");
        assert_eq!(client.code(kind::WRITE, &path, &[b'x'; 3000]), kind::OK);
    }
    client.send(&message(kind::MULTIREAD, "/k/", b""));
    // In between another client is served.
    assert_eq!(
        place.raw().code(kind::READ, "/k/0001", b""),
        kind::READ_ANSWER
    );
    for number in 0..1000 {
        let (kind, path, value) = client.hear().unwrap();
        assert_eq!(
            (kind, path),
            (kind::MULTIREAD_ANSWER, format!("/k/{number:04}"))
        );
        assert_eq!(value.len(), 3000);
    }
    assert_eq!(
        client.hear().unwrap(),
        (kind::MULTIREAD_ANSWER, String::new(), vec![])
    );
}

fn commands_behind_each_other_are_answered_in_order_and_after_the_last_byte() {
    let place = Place::new();
    let _daemon = place.alone();
    let mut client = place.raw();
    let commands = [
        message(kind::WRITE, "/a", b"1"),
        message(kind::READ, "/a", b""),
        message(kind::LIST, "/", b""),
        message(kind::RM, "/a", b""),
        message(kind::RM, "/a", b""),
    ]
    .concat();
    client.send(&commands);
    client.0.shutdown(std::net::Shutdown::Write).unwrap();
    let codes: Vec<u8> = std::iter::from_fn(|| client.hear())
        .map(|(code, ..)| code)
        .collect();
    let expected = [
        kind::OK,
        kind::READ_ANSWER,
        kind::LIST_ANSWER,
        kind::LIST_ANSWER,
        kind::OK,
        kind::MISSING,
    ];
    assert_eq!(codes, expected);
    let mut refused = place.raw();
    refused.send(&message(kind::WRITE, "/folder/", b"v"));
    assert_eq!(refused.hear().unwrap().0, kind::REFUSED);
    assert_eq!(refused.hear(), None);
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn the_sockets_have_their_modes_and_go_with_the_daemon() {
    let place = Place::new();
    let daemon = place.start("qube", 0, &["--rw-socket-perms=640", "--alone", "0"]);
    assert_eq!(mode(&place.sockets("qube")), 0o775);
    assert_eq!(mode(&place.socket("qube", "qubesdb.sock")), 0o640);
    assert_eq!(mode(&place.socket("qube", "qubesdb.ro.sock")), 0o666);
    let pid = fs::read_to_string(place.socket("qube", "qubesdb.pid")).unwrap();
    assert_eq!(pid, format!("{}\n", daemon.pid()));
    assert_eq!(daemon.stop(), (Some(0), String::new()));
    assert_eq!(fs::read_dir(place.sockets("qube")).unwrap().count(), 0);
}

fn a_daemon_that_ends_leaves_the_files_of_a_later_one() {
    let place = Place::new();
    let first = place.alone();
    let second = place.alone();
    assert_eq!(first.stop().0, Some(0));
    let pid = fs::read_to_string(place.socket("qube", "qubesdb.pid")).unwrap();
    assert_eq!(pid, format!("{}\n", second.pid()));
    assert_eq!(place.raw().code(kind::WRITE, "/a", b"v"), kind::OK);
    // What a daemon that was killed has left is taken over.
    second.kill();
    let _third = place.alone();
    assert_eq!(place.raw().code(kind::READ, "/a", b""), kind::MISSING);
}

fn dom0_itself_has_the_short_names_too() {
    let place = Place::new();
    let daemon = place.start("dom0", 0, &["0", "dom0"]);
    let mut names: Vec<String> = fs::read_dir(place.sockets("dom0"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "qubesdb.dom0.pid",
        "qubesdb.dom0.ro.sock",
        "qubesdb.dom0.sock",
        "qubesdb.ro.sock",
        "qubesdb.sock",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        Raw::to(&place.socket("dom0", "qubesdb.sock")).code(kind::WRITE, "/a", b""),
        kind::OK
    );
    assert_eq!(daemon.stop().0, Some(0));
    assert_eq!(fs::read_dir(place.sockets("dom0")).unwrap().count(), 0);
}

fn systemd_is_told() {
    let place = Place::new();
    let name = format!("qfile-test-{}", std::process::id());
    let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
    let path = place.sockets("notify");
    let sockets = [
        (
            format!("@{name}"),
            UnixDatagram::bind_addr(&abstract_address).unwrap(),
        ),
        (
            path.to_str().unwrap().to_owned(),
            UnixDatagram::bind(&path).unwrap(),
        ),
    ];
    for (variable, socket) in sockets {
        let mut command = place.daemon_command("qube", 0, &["--alone", "0"]);
        let mut daemon = command.env("NOTIFY_SOCKET", variable).spawn().unwrap();
        let mut told = [0; 64];
        let len = socket.recv(&mut told).unwrap();
        assert_eq!(&told[..len], b"READY=1");
        assert_eq!(place.raw().code(kind::READ, "/none", b""), kind::MISSING);
        kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
        assert_eq!(daemon.wait().unwrap().code(), Some(0));
    }
}

fn in_the_background_the_first_process_ends_when_clients_are_served() {
    let place = Place::new();
    fs::create_dir(place.sockets("qube")).unwrap();
    run(place.daemon_command("qube", 0, &["--alone", "0"])).assert_code(0);
    assert_eq!(place.raw().code(kind::READ, "/none", b""), kind::MISSING);
    assert!(place.socket("qube", "qubesdb.dom0.log").is_file());
    let pid = fs::read_to_string(place.socket("qube", "qubesdb.pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    let mut client = place.raw();
    assert_eq!(client.code(kind::READ, "/none", b""), kind::MISSING);
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(client.hear(), None);
}

fn the_end_of_stdin_can_be_the_end() {
    let place = Place::new();
    assert_eq!(place.alone().let_go(), (Some(0), String::new()));
}
