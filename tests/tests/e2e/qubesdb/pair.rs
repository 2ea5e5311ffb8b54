//! Two daemons that are kept equal, and one whose other side is not a daemon.

use std::io::BufRead as _;
use std::os::unix::net::{UnixListener, UnixStream};

use qfile_tests::qubesdb::{Place, Raw, kind, message};
use qfile_tests::suite;

suite! {
    what_one_side_writes_the_other_has,
    two_removals_at_once_end_neither_side,
    the_qube_comes_again_after_its_end,
    dom0_comes_again_after_its_end_and_is_told_what_it_missed,
    without_dom0_clients_are_served_and_a_signal_is_heard,
    a_link_that_cannot_be_followed_for_a_time_ends_nothing,
    clients_of_a_qube_wait_for_the_first_answer_of_dom0,
    single_bytes_and_half_messages_on_the_link_freeze_nobody,
    a_peer_that_reads_nothing_freezes_nobody,
    what_is_unexpected_ends_the_connection_and_the_next_one_is_taken,
    a_false_dom0_is_left_and_the_next_one_is_asked,
    ten_thousand_keys_arrive,
}

/// Writes to one side and waits until the other is told.
fn seen(writer: &mut Raw, watcher: &mut Raw, path: &str, value: &[u8]) {
    assert_eq!(watcher.code(kind::WATCH, path, b""), kind::OK);
    assert_eq!(writer.code(kind::WRITE, path, value), kind::OK);
    assert_eq!(
        watcher.hear().unwrap(),
        (kind::CHANGED, path.to_owned(), vec![])
    );
    let read = watcher.call(kind::READ, path, b"").unwrap();
    assert_eq!(read, (kind::READ_ANSWER, path.to_owned(), value.to_vec()));
}

fn what_one_side_writes_the_other_has() {
    let place = Place::new();
    let dom0 = place.dom0();
    assert_eq!(
        place.raw_dom0().code(kind::WRITE, "/before", b"v"),
        kind::OK
    );
    let qube = place.qube();
    let (mut in_dom0, mut in_qube) = (place.raw_dom0(), place.raw());
    assert_eq!(in_qube.code(kind::READ, "/before", b""), kind::READ_ANSWER);
    seen(&mut in_dom0, &mut in_qube, "/down", b"1");
    seen(&mut in_qube, &mut in_dom0, "/up", &[b'x'; 3071]);
    assert_eq!(in_qube.code(kind::WATCH, "/", b""), kind::OK);
    assert_eq!(in_dom0.code(kind::RM, "/", b""), kind::OK);
    assert_eq!(in_qube.hear().unwrap().1, "/");
    assert_eq!(in_qube.call(kind::LIST, "", b"").unwrap().1, "");
    assert_eq!(qube.stop(), (Some(0), String::new()));
    assert_eq!(dom0.stop(), (Some(0), String::new()));
}

fn two_removals_at_once_end_neither_side() {
    let place = Place::new();
    let (mut dom0, mut qube) = (place.dom0(), place.qube());
    let (mut in_dom0, mut in_qube) = (place.raw_dom0(), place.raw());
    let mut told = place.raw();
    assert_eq!(told.code(kind::WATCH, "/race", b""), kind::OK);
    for _ in 0..1000 {
        assert_eq!(in_dom0.code(kind::WRITE, "/race", b""), kind::OK);
        assert_eq!(told.hear().unwrap().0, kind::CHANGED);
        let remove = message(kind::RM, "/race", b"");
        in_dom0.send(&remove);
        in_qube.send(&remove);
        for side in [&mut in_dom0, &mut in_qube] {
            let (code, ..) = side.hear().unwrap();
            assert!([kind::OK, kind::MISSING].contains(&code));
        }
        assert_eq!(told.hear().unwrap().0, kind::CHANGED);
    }
    seen(&mut in_dom0, &mut in_qube, "/still", b"1");
    assert!(dom0.is_alive() && qube.is_alive());
}

fn the_qube_comes_again_after_its_end() {
    let place = Place::new();
    let _dom0 = place.dom0();
    for round in 0..5 {
        let path = format!("/round/{round}");
        assert_eq!(place.raw_dom0().code(kind::WRITE, &path, b"v"), kind::OK);
        let qube = place.qube();
        assert_eq!(place.raw().code(kind::READ, &path, b""), kind::READ_ANSWER);
        seen(&mut place.raw(), &mut place.raw_dom0(), "/up", b"v");
        match round % 2 {
            0 => qube.kill(),
            _ => assert_eq!(qube.stop().0, Some(0)),
        }
    }
}

fn dom0_comes_again_after_its_end_and_is_told_what_it_missed() {
    let place = Place::new();
    let first = place.dom0();
    let _qube = place.qube();
    let mut in_qube = place.raw();
    seen(&mut place.raw_dom0(), &mut in_qube, "/old", b"1");
    first.kill();
    assert_eq!(in_qube.code(kind::WRITE, "/meanwhile", b"2"), kind::OK);
    let _second = place.dom0();
    let mut in_dom0 = place.raw_dom0();
    assert_eq!(in_dom0.code(kind::WATCH, "/meanwhile", b""), kind::OK);
    while in_dom0.code(kind::READ, "/meanwhile", b"") != kind::READ_ANSWER {
        std::thread::yield_now();
    }
    // A reconnect deletes nothing.
    assert_eq!(in_qube.code(kind::READ, "/old", b""), kind::READ_ANSWER);
}

fn without_dom0_clients_are_served_and_a_signal_is_heard() {
    let place = Place::new();
    let qube = place.start("qube", 5, &["--first-sync=0", "0"]);
    assert_eq!(place.raw().code(kind::WRITE, "/a", b"v"), kind::OK);
    let (status, said) = qube.stop();
    assert_eq!(status, Some(0));
    assert!(said.contains("dom0 did not answer in time"), "{said}");
    // A file that nobody listens at.
    drop(UnixListener::bind(place.link()).unwrap());
    let qube = place.start("qube", 5, &["--first-sync=0", "0"]);
    assert_eq!(qube.stop().0, Some(0));
}

fn a_link_that_cannot_be_followed_for_a_time_ends_nothing() {
    let place = Place::new();
    let dom0 = place.dom0();
    let mut qube = place.qube();
    seen(&mut place.raw_dom0(), &mut place.raw(), "/old", b"1");
    // A link to itself: ELOOP, for any user. It is there before the qube can see the end.
    let new = place.link().with_extension("new");
    std::os::unix::fs::symlink(&new, &new).unwrap();
    std::fs::rename(&new, place.link()).unwrap();
    std::os::unix::fs::symlink(place.link(), &new).unwrap();
    let mut log = qube.log();
    dom0.kill();
    let mut line = String::new();
    while !line.contains("cannot reach the other daemon") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it has ended");
    }
    assert!(qube.is_alive());
    assert_eq!(place.raw().code(kind::READ, "/old", b""), kind::READ_ANSWER);
    // Dom0's side replaces what bears the name.
    let _dom0 = place.dom0();
    let mut in_dom0 = place.raw_dom0();
    assert_eq!(in_dom0.code(kind::WRITE, "/new", b"2"), kind::OK);
    while place.raw().code(kind::READ, "/new", b"") != kind::READ_ANSWER {
        std::thread::yield_now();
    }
}

fn clients_of_a_qube_wait_for_the_first_answer_of_dom0() {
    let place = Place::new();
    let listener = UnixListener::bind(place.link()).unwrap();
    let starting = std::thread::scope(|scope| {
        let qube = scope.spawn(|| place.qube());
        let mut peer = Raw::of(listener.accept().unwrap().0);
        // The first 72 bytes are the question for everything.
        assert_eq!(
            peer.hear().unwrap(),
            (kind::MULTIREAD, String::new(), vec![])
        );
        assert!(!qube.is_finished());
        peer.send(&message(kind::MULTIREAD_ANSWER, "/a", b"v"));
        peer.send(&message(kind::MULTIREAD_ANSWER, "", b""));
        let qube = qube.join().unwrap();
        assert_eq!(place.raw().code(kind::READ, "/a", b""), kind::READ_ANSWER);
        qube
    });
    assert_eq!(starting.stop().0, Some(0));
}

fn peer_of_dom0(place: &Place) -> Raw {
    let mut peer = Raw::of(UnixStream::connect(place.link()).unwrap());
    peer.send(&message(kind::MULTIREAD, "", b""));
    while !peer.hear().unwrap().1.is_empty() {}
    peer
}

fn single_bytes_and_half_messages_on_the_link_freeze_nobody() {
    let place = Place::new();
    let _dom0 = place.dom0();
    let mut peer = peer_of_dom0(&place);
    for byte in message(kind::WRITE, "/bytes", b"value") {
        peer.send(&[byte]);
    }
    assert_eq!(
        peer.hear().unwrap(),
        (kind::OK, "/bytes".to_owned(), vec![])
    );
    peer.send(&message(kind::WRITE, "/half", b"value")[..75]);
    let mut in_dom0 = place.raw_dom0();
    assert_eq!(in_dom0.code(kind::READ, "/bytes", b""), kind::READ_ANSWER);
    assert_eq!(in_dom0.code(kind::READ, "/half", b""), kind::MISSING);
    // A message that is cut off by the end is dropped.
    drop(peer);
    let _next = peer_of_dom0(&place);
    assert_eq!(in_dom0.code(kind::READ, "/half", b""), kind::MISSING);
}

fn a_peer_that_reads_nothing_freezes_nobody() {
    let place = Place::new();
    let mut dom0 = place.dom0();
    let peer = peer_of_dom0(&place);
    let mut in_dom0 = place.raw_dom0();
    for _ in 0..3000 {
        assert_eq!(in_dom0.code(kind::WRITE, "/a", &[b'x'; 3000]), kind::OK);
    }
    // It is disconnected, and the next one is taken.
    let _next = peer_of_dom0(&place);
    assert!(dom0.is_alive());
    drop(peer);
}

fn what_is_unexpected_ends_the_connection_and_the_next_one_is_taken() {
    let place = Place::new();
    let dom0 = place.dom0();
    let mut malformed = message(kind::WRITE, "/a", b"");
    malformed[0] = 99;
    for bytes in [
        malformed,
        message(kind::MULTIREAD, "", b""),
        message(kind::WRITE, "/folder/", b"v"),
        message(kind::READ, "/a", b""),
        message(kind::REFUSED, "/a", b"data"),
        vec![0xff; 5000],
    ] {
        let mut peer = peer_of_dom0(&place);
        peer.send(&bytes);
        assert_eq!(peer.hear(), None);
    }
    // These are not.
    let mut peer = peer_of_dom0(&place);
    assert_eq!(peer.code(kind::RM, "/none", b""), kind::OK);
    assert_eq!(peer.code(kind::RM, "/none", b"data"), kind::REFUSED);
    assert_eq!(peer.code(kind::WRITE, "/a", b"\0"), kind::REFUSED);
    peer.send(&message(kind::MISSING, "/a", b""));
    assert_eq!(peer.code(kind::WRITE, "/a", b"v"), kind::OK);
    let (status, said) = dom0.stop();
    assert_eq!(status, Some(0));
    assert!(said.contains("is ended: it asked twice"), "{said}");
}

fn a_false_dom0_is_left_and_the_next_one_is_asked() {
    let place = Place::new();
    let listener = UnixListener::bind(place.link()).unwrap();
    let qube = place.start("qube", 5, &["--first-sync=0", "0"]);
    for bytes in [message(kind::MULTIREAD, "", b""), vec![0xff; 200], vec![]] {
        let mut peer = Raw::of(listener.accept().unwrap().0);
        assert_eq!(peer.hear().unwrap().0, kind::MULTIREAD);
        peer.send(&bytes);
        if !bytes.is_empty() {
            assert_eq!(peer.hear(), None);
        }
        assert_eq!(place.raw().code(kind::READ, "/none", b""), kind::MISSING);
    }
    assert_eq!(qube.stop().0, Some(0));
}

fn ten_thousand_keys_arrive() {
    let place = Place::new();
    let _dom0 = place.dom0();
    let mut in_dom0 = place.raw_dom0();
    for number in 0..10_000 {
        assert_eq!(
            in_dom0.code(kind::WRITE, &format!("/key/{number}"), b"v"),
            kind::OK
        );
    }
    let _qube = place.qube();
    let listed = place.run("list", &["/key/"]).stdout;
    assert_eq!(listed.iter().filter(|byte| **byte == b'\n').count(), 10_000);
}
