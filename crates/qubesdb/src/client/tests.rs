use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::thread::{self, JoinHandle};

use super::*;

/// A daemon that follows a script: for each connection what it must hear, and what it then says.
struct Scripted {
    _folder: tempfile::TempDir,
    address: Address,
    daemon: JoinHandle<()>,
}

type Step = (Vec<u8>, Vec<u8>);

fn message(kind: Kind, path: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_message(&mut bytes, kind, &path.parse().unwrap(), data);
    bytes
}

fn scripted(connections: Vec<Vec<Step>>) -> Scripted {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::of_this_qube(folder.path());
    let listener = UnixListener::bind(address.read_write()).unwrap();
    let daemon = thread::spawn(move || {
        for steps in connections {
            let (mut stream, _) = listener.accept().unwrap();
            for (heard, said) in steps {
                let mut bytes = vec![0; heard.len()];
                stream.read_exact(&mut bytes).unwrap();
                assert_eq!(bytes, heard);
                stream.write_all(&said).unwrap();
            }
        }
    });
    Scripted {
        _folder: folder,
        address,
        daemon,
    }
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn ok(path: &str) -> Vec<u8> {
    message(Kind::Ok, path, b"")
}

fn changed(path: &str) -> Vec<u8> {
    message(Kind::Changed, path, b"")
}

fn events(client: &mut Client, count: usize) -> Vec<Event> {
    (0..count)
        .map(|_| client.next_event(None).unwrap())
        .collect()
}

#[test]
fn events_come_in_the_order_of_their_arrival_also_those_before_an_answer() {
    let answer = [
        changed("/e/0"),
        changed("/e/1"),
        message(Kind::ReadAnswer, "/a", b"v"),
        changed("/e/2"),
    ];
    let script = scripted(vec![vec![
        (message(Kind::Watch, "/e/", b""), ok("/e/")),
        (message(Kind::Read, "/a", b""), answer.concat()),
    ]]);
    let mut client = Client::open(script.address.clone()).unwrap();
    client.watch(&path("/e/")).unwrap();
    assert!(!client.has_event());
    assert_eq!(client.read(&path("/a")).unwrap().as_bytes(), b"v");
    assert!(client.has_event());
    let expected = ["/e/0", "/e/1", "/e/2"].map(|text| Event::Changed(path(text)));
    assert_eq!(events(&mut client, 3), expected);
    script.daemon.join().unwrap();
}

#[test]
fn a_caller_that_does_not_wait_gets_what_is_there() {
    let answer = [
        message(Kind::ReadAnswer, "/a", b"v"),
        changed("/e/0"),
        changed("/e/1"),
    ];
    let script = scripted(vec![vec![
        (message(Kind::Watch, "/e/", b""), ok("/e/")),
        (message(Kind::Read, "/a", b""), answer.concat()),
        (message(Kind::Read, "/a", b""), answer[0].clone()),
    ]]);
    let mut client = Client::open(script.address.clone()).unwrap();
    client.watch(&path("/e/")).unwrap();
    let _value = client.read(&path("/a")).unwrap();
    // They were read together with the answer, so the descriptor says nothing of them.
    assert!(client.has_event());
    for text in ["/e/0", "/e/1"] {
        let event = client.next_event(Some(Duration::ZERO)).unwrap();
        assert_eq!(event, Event::Changed(path(text)));
    }
    assert!(!client.has_event());
    assert!(matches!(
        client.next_event(Some(Duration::ZERO)),
        Err(Error::TimedOut)
    ));
    let _value = client.read(&path("/a")).unwrap();
    script.daemon.join().unwrap();
}

#[test]
fn watches_survive_a_reconnect_and_say_so() {
    let watch = message(Kind::Watch, "/e", b"");
    let script = scripted(vec![
        vec![(watch.clone(), [ok("/e"), changed("/e")].concat())],
        vec![(watch.clone(), [ok("/e"), changed("/e")].concat())],
        vec![
            (watch, ok("/e")),
            (
                message(Kind::Read, "/a", b""),
                message(Kind::Missing, "/a", b""),
            ),
        ],
    ]);
    let mut client = Client::open(script.address.clone()).unwrap();
    client.watch(&path("/e")).unwrap();
    let change = Event::Changed(path("/e"));
    assert_eq!(events(&mut client, 3)[..2], [change, Event::Reconnected]);
    // A call makes the connection again, too, and is repeated.
    assert!(matches!(client.read(&path("/a")), Err(Error::Missing)));
    assert_eq!(events(&mut client, 1), [Event::Reconnected]);
    script.daemon.join().unwrap();
}

#[test]
fn failures_are_told_apart() {
    let script = scripted(vec![vec![
        (
            message(Kind::Read, "/a", b""),
            message(Kind::Missing, "/a", b""),
        ),
        (
            message(Kind::Write, "/a", b"v"),
            message(Kind::Refused, "/a", b""),
        ),
        (
            message(Kind::Rm, "/a", b""),
            message(Kind::Missing, "/a", b""),
        ),
        (
            message(Kind::Read, "/b", b""),
            message(Kind::ListAnswer, "/b", b""),
        ),
    ]]);
    let mut client = Client::open(script.address.clone()).unwrap();
    assert!(matches!(client.read(&path("/a")), Err(Error::Missing)));
    let value = Value::parse(b"v").unwrap();
    assert!(matches!(
        client.write(&path("/a"), &value),
        Err(Error::Refused)
    ));
    assert!(!client.remove(&path("/a")).unwrap());
    assert!(matches!(client.read(&path("/b")), Err(Error::Protocol(_))));
    script.daemon.join().unwrap();
    // Nobody listens any more.
    assert!(matches!(client.read(&path("/a")), Err(Error::Gone(_))));
    // These are never sent.
    assert!(matches!(
        client.read(&path("nolead")),
        Err(Error::Invalid(_))
    ));
    assert!(matches!(
        client.write(&path("/a/"), &value),
        Err(Error::Invalid(_))
    ));
    assert!(matches!(
        client.next_event(Some(Duration::ZERO)),
        Err(Error::TimedOut)
    ));
}

#[test]
fn a_daemon_that_does_not_answer_is_not_waited_for_longer_than_told() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::of_this_qube(folder.path());
    let _silent = UnixListener::bind(address.read_write()).unwrap();
    let mut client = Client::open(address).unwrap();
    client.set_timeout(Some(Duration::from_millis(10))).unwrap();
    assert!(matches!(client.read(&path("/a")), Err(Error::TimedOut)));
    assert!(matches!(
        client.next_event(Some(Duration::from_millis(1))),
        Err(Error::TimedOut)
    ));
}

#[test]
fn where_the_read_write_socket_cannot_be_had_the_read_only_one_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::of_this_qube(folder.path());
    assert!(matches!(Client::open(address.clone()), Err(Error::Gone(_))));
    let _listener = UnixListener::bind(address.read_only()).unwrap();
    Client::open(address).unwrap();
}
