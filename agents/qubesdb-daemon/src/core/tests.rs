use std::time::Duration;

use super::*;
use crate::fuzzing::{Harness, Sent, exchange, message, messages};

fn alone() -> Harness {
    Harness::new(Role::Alone, Limits::default())
}

fn sent(kind: Kind, path: &str, data: &[u8]) -> Sent {
    (kind, path.to_owned(), data.to_vec())
}

/// Dom0's side and the qube's, synchronised, and a client of each.
fn pair() -> (Harness, ClientId, Harness, ClientId) {
    let mut dom0 = Harness::new(Role::Dom0, Limits::default());
    let mut qube = Harness::new(
        Role::Qube {
            drop_missing: false,
        },
        Limits::default(),
    );
    let (of_dom0, of_qube) = (
        dom0.client(Access::ReadWrite),
        qube.client(Access::ReadWrite),
    );
    join(&mut dom0, &mut qube);
    (dom0, of_dom0, qube, of_qube)
}

fn join(dom0: &mut Harness, qube: &mut Harness) {
    dom0.core.peer_came();
    qube.core.peer_came();
    exchange(dom0, qube);
    assert!(qube.core.is_synchronised());
}

fn part(dom0: &mut Harness, qube: &mut Harness) {
    dom0.core.peer_went();
    qube.core.peer_went();
}

#[test]
fn commands_are_answered_as_the_table_says() {
    let mut daemon = alone();
    let id = daemon.client(Access::ReadWrite);
    for (kind, path, data, reply) in [
        (Kind::Write, "/a", &b"1"[..], Kind::Ok),
        (Kind::Write, "/a", b"with\0nul", Kind::Refused),
        (Kind::Write, "/a//b", b"", Kind::Ok),
        (Kind::Write, "/a/../b", b"", Kind::Ok),
        (Kind::Read, "/none", b"", Kind::Missing),
        (Kind::Read, "nolead", b"", Kind::Missing),
        (Kind::Rm, "/none", b"", Kind::Missing),
        (Kind::Rm, "/a/../b", b"", Kind::Ok),
        (Kind::Rm, "/a", b"data", Kind::Refused),
        (Kind::List, "/a", b"data", Kind::Refused),
        (Kind::Multiread, "/a", b"data", Kind::Refused),
        (Kind::Unwatch, "/a", b"", Kind::Missing),
        (Kind::Watch, "/w", b"", Kind::Ok),
        (Kind::Unwatch, "/w", b"", Kind::Ok),
        (Kind::Ok, "/a", b"data", Kind::Refused),
        (Kind::Changed, "/a", b"", Kind::Refused),
    ] {
        let came = daemon.call(id, kind, path, data);
        assert_eq!(came, [sent(reply, path, b"")], "{kind:?} {path}");
    }
    assert_eq!(
        daemon.call(id, Kind::Read, "/a", b""),
        [sent(Kind::ReadAnswer, "/a", b"1")]
    );
}

#[test]
fn a_malformed_header_is_answered_with_an_error_and_the_connection_goes_on() {
    let mut daemon = alone();
    let id = daemon.client(Access::ReadWrite);
    let long = vec![b'x'; 3072];
    for bytes in [
        message(Kind::Write, "/bad path", b"v"),
        message(Kind::Write, "-/a", b"v"),
        message(Kind::Write, "/a", &long),
        [vec![200], message(Kind::Read, "/a", b"data")[1..].to_vec()].concat(),
    ] {
        daemon.core.receive(id, &bytes, daemon.now);
        let came = daemon.take(id, 9);
        assert!(matches!(came[..], [(Kind::Refused, ..)]), "{came:?}");
    }
    daemon.call(id, Kind::Write, "/a", &long[1..]);
    assert_eq!(daemon.all()[0].1.len(), 3071);
}

#[test]
fn a_write_of_a_path_that_is_no_key_and_a_read_with_data_end_the_connection() {
    for path in ["nolead", "/folder/", "/", ""] {
        let mut daemon = alone();
        let id = daemon.client(Access::ReadWrite);
        daemon.send(id, Kind::Write, path, b"v");
        daemon.send(id, Kind::Write, "/good", b"v");
        assert!(!daemon.core.wants_input(id));
        assert_eq!(daemon.take(id, 50), [sent(Kind::Refused, path, b"")]);
        assert!(daemon.core.is_ended(id));
        assert_eq!(daemon.all(), []);
    }
    let mut daemon = alone();
    let id = daemon.client(Access::ReadOnly);
    assert_eq!(daemon.call(id, Kind::Read, "/a", b"x"), []);
    assert!(daemon.core.is_ended(id));
}

#[test]
fn the_read_only_socket_changes_nothing_and_watches() {
    let mut daemon = alone();
    let (writer, reader) = (
        daemon.client(Access::ReadWrite),
        daemon.client(Access::ReadOnly),
    );
    daemon.call(reader, Kind::Watch, "/", b"");
    daemon.call(writer, Kind::Write, "/a", b"v");
    assert_eq!(
        daemon.call(reader, Kind::Write, "/a", b"x")[1],
        sent(Kind::Refused, "/a", b"")
    );
    assert_eq!(
        daemon.call(reader, Kind::Rm, "/", b""),
        [sent(Kind::Refused, "/", b"")]
    );
    assert_eq!(daemon.all(), [("/a".to_owned(), b"v".to_vec())]);
}

#[test]
fn data_of_a_watch_is_taken_for_the_next_header() {
    let mut daemon = alone();
    let id = daemon.client(Access::ReadWrite);
    let mut watch = message(Kind::Watch, "/w", &[0; 72]);
    watch.truncate(72);
    let came = message(Kind::Read, "/none", b"");
    daemon.core.receive(id, &[watch, came].concat(), daemon.now);
    let came = daemon.take(id, 72);
    assert_eq!(
        came,
        [sent(Kind::Ok, "/w", b""), sent(Kind::Missing, "/none", b"")]
    );
}

#[test]
fn events_come_in_order_behind_the_answer_and_once_for_each_watch() {
    let mut daemon = alone();
    let (one, other) = (
        daemon.client(Access::ReadWrite),
        daemon.client(Access::ReadWrite),
    );
    for path in ["/e/", "/e/1", "/e/1"] {
        daemon.call(one, Kind::Watch, path, b"");
    }
    for number in 0..3 {
        daemon.send(other, Kind::Write, &format!("/e/{number}"), b"");
    }
    daemon.send(other, Kind::Rm, "/e/", b"");
    let told: Vec<String> = daemon
        .take(one, 100)
        .into_iter()
        .map(|(_, path, _)| path)
        .collect();
    assert_eq!(told, ["/e/0", "/e/1", "/e/1", "/e/1", "/e/2", "/e/"]);
    let came = daemon.call(one, Kind::Write, "/e/9", b"");
    assert_eq!(
        came,
        [
            sent(Kind::Ok, "/e/9", b""),
            sent(Kind::Changed, "/e/9", b"")
        ]
    );
}

#[test]
fn a_client_that_does_not_read_keeps_2000_events_and_is_ended_before_it_has_10000() {
    let mut daemon = alone();
    let (slow, fast) = (
        daemon.client(Access::ReadOnly),
        daemon.client(Access::ReadWrite),
    );
    daemon.call(slow, Kind::Watch, "/", b"");
    for _ in 0..2000 {
        assert_eq!(daemon.call(fast, Kind::Write, "/a", b"").len(), 1);
    }
    assert!(!daemon.core.is_ended(slow));
    for _ in 0..8000 {
        assert_eq!(daemon.call(fast, Kind::Write, "/a", b"").len(), 1);
    }
    assert!(daemon.core.is_ended(slow));
    assert!(!daemon.core.is_ended(fast));
    assert_eq!(daemon.core.waiting(slow), b"");
}

#[test]
fn what_waits_for_all_clients_together_is_bounded() {
    let limits = Limits {
        unsent_in_all: 1 << 20,
        ..Limits::default()
    };
    let mut daemon = Harness::new(Role::Alone, limits);
    let slow: Vec<ClientId> = (0..20).map(|_| daemon.client(Access::ReadOnly)).collect();
    for id in &slow {
        daemon.call(*id, Kind::Watch, "/", b"");
    }
    let fast = daemon.client(Access::ReadWrite);
    for _ in 0..5000 {
        daemon.call(fast, Kind::Write, "/a", b"");
        let waiting: usize = slow.iter().map(|id| daemon.core.waiting(*id).len()).sum();
        assert!(waiting <= limits.unsent_in_all + 20 * 72);
    }
    assert!(!daemon.core.is_ended(fast));
}

#[test]
fn a_long_answer_is_whole_and_takes_little_memory() {
    let mut daemon = alone();
    let id = daemon.client(Access::ReadWrite);
    for number in 0..1000 {
        daemon.call(id, Kind::Write, &format!("/k/{number:04}"), &[b'x'; 3000]);
    }
    daemon.send(id, Kind::Multiread, "/k/", b"");
    // More commands wait behind it.
    daemon.send(id, Kind::Read, "/k/0001", b"");
    daemon.send(id, Kind::List, "/k/", b"");
    assert!(daemon.core.waiting(id).len() < 70 << 10);
    assert!(!daemon.core.wants_input(id));
    let came = daemon.take(id, 1000);
    assert_eq!(came.len(), 1001 + 1 + 1001);
    assert_eq!(came[999].1, "/k/0999");
    assert_eq!(came[1001], sent(Kind::ReadAnswer, "/k/0001", &[b'x'; 3000]));
    assert!(daemon.core.wants_input(id));
}

#[test]
fn a_message_that_is_not_whole_after_its_time_ends_its_client_only() {
    let mut daemon = alone();
    let (half, idle) = (
        daemon.client(Access::ReadOnly),
        daemon.client(Access::ReadOnly),
    );
    daemon.core.receive(half, &[0], daemon.now);
    assert!(daemon.core.sweep(daemon.now + Duration::from_secs(29)));
    daemon
        .core
        .receive(half, b"/", daemon.now + Duration::from_secs(29));
    assert!(!daemon.core.sweep(daemon.now + Duration::from_secs(30)));
    assert!(daemon.core.is_ended(half));
    assert!(!daemon.core.is_ended(idle));
}

#[test]
fn watches_are_limited_and_end_with_their_client() {
    let mut daemon = alone();
    let (one, other) = (
        daemon.client(Access::ReadWrite),
        daemon.client(Access::ReadWrite),
    );
    for number in 0..1024 {
        let path = format!("/{}", number % 10);
        assert_eq!(daemon.call(one, Kind::Watch, &path, b"")[0].0, Kind::Ok);
    }
    assert_eq!(daemon.call(one, Kind::Watch, "/1", b"")[0].0, Kind::Refused);
    daemon.core.remove_client(one);
    assert_eq!(daemon.call(other, Kind::Write, "/1", b"").len(), 1);
    assert_eq!(daemon.core.data.unsent, 0);
}

#[test]
fn the_client_with_the_most_watches_goes_when_there_are_too_many() {
    let limits = Limits {
        watches_in_all: 50,
        ..Limits::default()
    };
    let mut daemon = Harness::new(Role::Alone, limits);
    let few = daemon.client(Access::ReadWrite);
    assert_eq!(daemon.call(few, Kind::Watch, "/a", b"")[0].0, Kind::Ok);
    for _ in 0..20 {
        let greedy = daemon.client(Access::ReadOnly);
        for _ in 0..40 {
            daemon.send(greedy, Kind::Watch, "/", b"");
        }
        assert!(daemon.core.data.watches.count() <= limits.watches_in_all);
        assert!(!daemon.core.is_ended(few));
    }
    daemon.send(few, Kind::Write, "/a", b"");
    let told = daemon.core.data.watches.of(&"/a".parse().unwrap());
    assert!(told.contains(&few) && told.len() <= limits.watches_in_all);
    assert_eq!(daemon.take(few, 1000).len(), 2);
}

#[test]
fn one_change_and_long_answers_stay_within_what_may_wait_for_all() {
    let limits = Limits {
        unsent_in_all: 1 << 20,
        ..Limits::default()
    };
    let mut daemon = Harness::new(Role::Alone, limits);
    let fast = daemon.client(Access::ReadWrite);
    for number in 0..100 {
        daemon.call(fast, Kind::Write, &format!("/{number}"), &[b'x'; 3000]);
    }
    let waiting = |daemon: &Harness, ids: &[ClientId]| -> usize {
        ids.iter().map(|id| daemon.core.waiting(*id).len()).sum()
    };
    let mut slow = Vec::new();
    for _ in 0..40 {
        let id = daemon.client(Access::ReadOnly);
        slow.push(id);
        daemon.send(id, Kind::Multiread, "", b"");
        assert!(waiting(&daemon, &slow) <= limits.unsent_in_all);
    }
    let mut watchers = Vec::new();
    for _ in 0..40 {
        let id = daemon.client(Access::ReadOnly);
        watchers.push(id);
        for _ in 0..400 {
            daemon.call(id, Kind::Watch, "/", b"");
        }
    }
    for _ in 0..10 {
        daemon.call(fast, Kind::Write, "/a", b"");
        assert!(waiting(&daemon, &watchers) <= limits.unsent_in_all);
    }
    assert!(!daemon.core.is_ended(fast));
}

#[test]
fn a_pair_is_kept_equal() {
    let (mut dom0, of_dom0, mut qube, of_qube) = pair();
    qube.call(of_qube, Kind::Watch, "/", b"");
    dom0.call(of_dom0, Kind::Write, "/from-dom0", b"1");
    qube.call(of_qube, Kind::Write, "/from/qube", b"2");
    exchange(&mut dom0, &mut qube);
    assert_eq!(dom0.all(), qube.all());
    assert_eq!(dom0.all().len(), 2);
    dom0.call(of_dom0, Kind::Rm, "/from/", b"");
    exchange(&mut dom0, &mut qube);
    assert_eq!(qube.all(), [("/from-dom0".to_owned(), b"1".to_vec())]);
    let told: Vec<String> = qube
        .take(of_qube, 72)
        .into_iter()
        .map(|(_, path, _)| path)
        .collect();
    assert_eq!(told, ["/from-dom0", "/from/"]);
}

#[test]
fn two_removals_of_one_key_at_once_end_nothing() {
    let (mut dom0, of_dom0, mut qube, of_qube) = pair();
    for round in 0..1000 {
        let path = ["/race", "/race/", "/race/x"][round % 3];
        qube.call(of_qube, Kind::Write, "/race/x", b"");
        qube.call(of_qube, Kind::Write, "/race", b"");
        exchange(&mut dom0, &mut qube);
        assert_eq!(dom0.call(of_dom0, Kind::Rm, path, b"")[0].0, Kind::Ok);
        assert_eq!(qube.call(of_qube, Kind::Rm, path, b"")[0].0, Kind::Ok);
        exchange(&mut dom0, &mut qube);
        assert!(!dom0.core.is_peer_ended() && !qube.core.is_peer_ended());
        assert_eq!(dom0.all(), qube.all());
    }
}

#[test]
fn the_change_of_dom0_stands_where_both_change_one_key_at_once() {
    let changes: [(Kind, &str, &[u8]); 4] = [
        (Kind::Write, "/a/b", b"new"),
        (Kind::Rm, "/a/b", b""),
        (Kind::Rm, "/a/", b""),
        (Kind::Write, "/a/c", b"new"),
    ];
    for (kind, path, data) in changes {
        for (other_kind, other_path, other_data) in changes {
            let (mut dom0, of_dom0, mut qube, of_qube) = pair();
            for key in ["/a/b", "/a/c", "/b"] {
                dom0.call(of_dom0, Kind::Write, key, b"old");
            }
            exchange(&mut dom0, &mut qube);
            dom0.call(of_dom0, kind, path, data);
            qube.call(
                of_qube,
                other_kind,
                other_path,
                [other_data, other_data].concat().as_slice(),
            );
            exchange(&mut dom0, &mut qube);
            assert_eq!(
                dom0.all(),
                qube.all(),
                "{kind:?} {path}, {other_kind:?} {other_path}"
            );
        }
    }
}

#[test]
fn a_reconnect_keeps_what_the_qube_has_and_tells_dom0_what_it_was_not_told() {
    let (mut dom0, of_dom0, mut qube, of_qube) = pair();
    for key in ["/both", "/gone-in-qube", "/gone-in-dom0", "/d/1", "/d/2"] {
        dom0.call(of_dom0, Kind::Write, key, b"old");
    }
    exchange(&mut dom0, &mut qube);
    // This one is under way when the connection breaks.
    qube.call(of_qube, Kind::Write, "/under-way", b"q");
    qube.take_for_peer();
    part(&mut dom0, &mut qube);
    qube.call(of_qube, Kind::Write, "/both", b"qube");
    qube.call(of_qube, Kind::Rm, "/gone-in-qube", b"");
    qube.call(of_qube, Kind::Rm, "/d/", b"");
    qube.call(of_qube, Kind::Write, "/d/2", b"new");
    dom0.call(of_dom0, Kind::Rm, "/gone-in-dom0", b"");
    dom0.call(of_dom0, Kind::Write, "/new", b"dom0");
    join(&mut dom0, &mut qube);
    let of_dom0: Vec<String> = dom0.all().into_iter().map(|(path, _)| path).collect();
    assert_eq!(of_dom0, ["/both", "/d/2", "/new", "/under-way"]);
    let mut of_qube = qube.all();
    assert_eq!(of_qube.remove(2).0, "/gone-in-dom0");
    assert_eq!(of_qube, dom0.all());
    assert!(!dom0.core.is_peer_ended() && !qube.core.is_peer_ended());
}

#[test]
fn a_reconnect_can_drop_what_dom0_no_longer_has() {
    let mut dom0 = Harness::new(Role::Dom0, Limits::default());
    let mut qube = Harness::new(Role::Qube { drop_missing: true }, Limits::default());
    let (of_dom0, of_qube) = (
        dom0.client(Access::ReadWrite),
        qube.client(Access::ReadWrite),
    );
    dom0.call(of_dom0, Kind::Write, "/gone", b"");
    dom0.call(of_dom0, Kind::Write, "/kept", b"");
    join(&mut dom0, &mut qube);
    part(&mut dom0, &mut qube);
    dom0.call(of_dom0, Kind::Rm, "/gone", b"");
    qube.call(of_qube, Kind::Write, "/own", b"");
    qube.call(of_qube, Kind::Watch, "/", b"");
    join(&mut dom0, &mut qube);
    assert_eq!(qube.all(), dom0.all());
    assert_eq!(dom0.all().len(), 2);
    let told: Vec<String> = qube
        .take(of_qube, 72)
        .into_iter()
        .map(|(_, path, _)| path)
        .collect();
    assert_eq!(told, ["/kept", "/gone"]);
}

#[test]
fn nothing_that_the_c_daemon_takes_for_fatal_is_sent_to_it() {
    let mut dom0 = Harness::new(Role::Dom0, Limits::default());
    dom0.core.peer_came();
    dom0.core
        .receive_from_peer(&message(Kind::Multiread, "", b""));
    dom0.core
        .receive_from_peer(&message(Kind::Rm, "/none", b""));
    dom0.core
        .receive_from_peer(&message(Kind::Rm, "/data", b"x"));
    dom0.core
        .receive_from_peer(&message(Kind::Write, "/nul", b"\0"));
    let came = messages(&dom0.take_for_peer());
    let expected = [
        sent(Kind::MultireadAnswer, "", b""),
        sent(Kind::Ok, "/none", b""),
        sent(Kind::Refused, "/data", b""),
        sent(Kind::Refused, "/nul", b""),
    ];
    assert_eq!(came, expected);
    // The removal of nothing is not forwarded.
    let id = dom0.client(Access::ReadWrite);
    assert_eq!(dom0.call(id, Kind::Rm, "/none", b"")[0].0, Kind::Missing);
    assert_eq!(dom0.take_for_peer(), b"");
}

#[test]
fn what_is_unexpected_on_the_link_ends_the_connection_and_not_the_daemon() {
    let ask = message(Kind::Multiread, "", b"");
    let end = message(Kind::MultireadAnswer, "", b"");
    let dom0 = Role::Dom0;
    let qube = Role::Qube {
        drop_missing: false,
    };
    let mut malformed = message(Kind::Write, "/a", b"");
    malformed[0] = 99;
    for (number, (role, before, bytes)) in [
        (dom0, &[][..], message(Kind::Write, "/early", b"v")),
        (dom0, &ask, ask.clone()),
        (dom0, &ask, malformed.clone()),
        (dom0, &ask, message(Kind::Write, "/folder/", b"v")),
        (dom0, &ask, message(Kind::Write, "nolead", b"v")),
        (dom0, &ask, message(Kind::Refused, "/a", b"data")),
        (dom0, &ask, message(Kind::Read, "/a", b"")),
        (dom0, &ask, message(Kind::Watch, "/a", b"")),
        (dom0, &ask, end.clone()),
        (dom0, &[], message(Kind::Multiread, "", b"data")),
        (qube, &[], ask.clone()),
        (qube, &[], malformed),
        (qube, &[], message(Kind::MultireadAnswer, "/a", b"\0")),
        (qube, &[], message(Kind::MultireadAnswer, "/a/", b"v")),
        (qube, &[], message(Kind::MultireadAnswer, "", b"v")),
        (qube, &end, message(Kind::MultireadAnswer, "/late", b"v")),
    ]
    .into_iter()
    .enumerate()
    {
        let mut daemon = Harness::new(role, Limits::default());
        let id = daemon.client(Access::ReadWrite);
        daemon.core.peer_came();
        daemon.core.receive_from_peer(before);
        assert!(!daemon.core.is_peer_ended(), "{number}");
        daemon.core.receive_from_peer(&bytes);
        assert!(daemon.core.is_peer_ended(), "{number}");
        daemon.core.peer_went();
        assert_eq!(daemon.call(id, Kind::Write, "/still", b"")[0].0, Kind::Ok);
        let mut other = Harness::new(if role == dom0 { qube } else { dom0 }, Limits::default());
        match role {
            Role::Dom0 => join(&mut daemon, &mut other),
            _ => join(&mut other, &mut daemon),
        }
        assert_eq!(other.all(), daemon.all());
    }
}

#[test]
fn answers_that_belong_to_nothing_have_no_meaning() {
    let (mut dom0, of_dom0, mut qube, _) = pair();
    for kind in [Kind::Ok, Kind::Missing, Kind::Refused] {
        dom0.core.receive_from_peer(&message(kind, "/x", b""));
    }
    dom0.call(of_dom0, Kind::Write, "/x", b"");
    exchange(&mut dom0, &mut qube);
    assert_eq!(qube.all(), dom0.all());
}

#[test]
fn a_peer_that_does_not_read_or_does_not_answer_is_disconnected() {
    let value = [b'x'; 3000];
    for reads in [false, true] {
        let mut dom0 = Harness::new(Role::Dom0, Limits::default());
        let id = dom0.client(Access::ReadWrite);
        dom0.core.peer_came();
        dom0.core
            .receive_from_peer(&message(Kind::Multiread, "", b""));
        let data = if reads { &value[..1] } else { &value };
        let until_ended = (0..100_000).find(|_| {
            assert_eq!(dom0.call(id, Kind::Write, "/a", data)[0].0, Kind::Ok);
            assert!(dom0.core.waiting_for_peer().len() < 5 << 20);
            if reads {
                dom0.take_for_peer();
            }
            dom0.core.is_peer_ended()
        });
        assert!(
            until_ended.is_some_and(|count| count > 1000),
            "{until_ended:?}"
        );
    }
}

#[test]
fn a_peer_cannot_fill_the_daemon() {
    let mut dom0 = Harness::new(Role::Dom0, Limits::default());
    dom0.core.peer_came();
    dom0.core
        .receive_from_peer(&message(Kind::Multiread, "", b""));
    let value = [b'x'; 3000];
    for number in 0..6000 {
        dom0.core
            .receive_from_peer(&message(Kind::Write, &format!("/{number}"), &value));
        dom0.take_for_peer();
    }
    assert!(!dom0.core.is_peer_ended());
    let bytes: usize = dom0
        .all()
        .iter()
        .map(|(path, value)| path.len() + value.len())
        .sum();
    assert!(bytes > 15 << 20 && bytes <= 16 << 20, "{bytes}");
}

#[test]
fn ten_thousand_keys_are_synchronised() {
    let mut dom0 = Harness::new(Role::Dom0, Limits::default());
    let id = dom0.client(Access::ReadWrite);
    for number in 0..10_000 {
        dom0.call(id, Kind::Write, &format!("/key/{number}"), b"value");
    }
    let mut qube = Harness::new(
        Role::Qube {
            drop_missing: false,
        },
        Limits::default(),
    );
    join(&mut dom0, &mut qube);
    assert_eq!(qube.all(), dom0.all());
}
