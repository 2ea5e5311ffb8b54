//! `--manifest`: what it holds, and that nothing of it is written before the confirmation.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::receiver::{Ended, Receiver, agent, verdict};
use files::State;
use rustix::fs::{AtFlags, CWD, FileType, Mode, mknodat, statat};
use tempfile::TempDir;
use transfer::manifest::{Kind, Reader};

/// An agent in `home` that writes its manifest to `manifest`.
fn agent_with(manifest: &File, home: &Path, arguments: &[&str]) -> Command {
    rustix::io::fcntl_setfd(manifest, rustix::io::FdFlags::empty()).unwrap();
    let number = manifest.as_raw_fd().to_string();
    let mut command = agent(["--manifest", &number].iter().chain(arguments));
    command.current_dir(home);
    command
}

/// A folder with something to send.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("d")).unwrap();
    fs::write(home.path().join("d/a"), "content").unwrap();
    symlink("a", home.path().join("d/link")).unwrap();
    home
}

/// The records, in the order of their paths.
fn records(mut manifest: &File) -> Vec<(PathBuf, Kind, State)> {
    manifest.seek(SeekFrom::Start(0)).unwrap();
    let mut reader = Reader::new(manifest).unwrap();
    let mut records = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        let path = String::from_utf8(record.path.to_vec()).unwrap();
        records.push((PathBuf::from(path), record.kind, record.state));
    }
    records.sort_by(|one, other| one.0.cmp(&other.0));
    records
}

/// Sends `arguments` from `home` to a receiver that confirms; the end and the records.
fn confirmed(home: &Path, arguments: &[&str]) -> (Ended, Vec<(PathBuf, Kind, State)>) {
    let manifest = tempfile::tempfile().unwrap();
    let mut receiver = Receiver::over_sockets(agent_with(&manifest, home, arguments));
    receiver.confirm();
    (receiver.ended(), records(&manifest))
}

#[test]
fn not_a_byte_is_written_before_the_confirmation() {
    let home = home();
    let manifest = tempfile::tempfile().unwrap();
    let mut receiver = Receiver::over_sockets(agent_with(&manifest, home.path(), &["d"]));
    let (_, checksum) = receiver.receive();
    assert_eq!(manifest.metadata().unwrap().len(), 0);
    receiver.say(&verdict(0, checksum, None));
    assert_eq!(receiver.ended().status, Some(0));
    assert_eq!(records(&manifest).len(), 4);
}

#[test]
fn nothing_is_written_without_a_confirmation() {
    let home = home();
    let answers: [fn(u32) -> Vec<u8>; 4] = [
        |checksum| verdict(0, !checksum, None),
        |checksum| verdict(28, checksum, None),
        |checksum| verdict(0, checksum, None)[..15].to_vec(),
        |_| Vec::new(),
    ];
    for answer in answers {
        let manifest = tempfile::tempfile().unwrap();
        let mut receiver = Receiver::over_sockets(agent_with(&manifest, home.path(), &["d"]));
        let (_, checksum) = receiver.receive();
        receiver.say(&answer(checksum));
        assert_eq!(receiver.ended().status, Some(1));
        assert_eq!(manifest.metadata().unwrap().len(), 0);
    }
}

#[test]
fn a_record_is_what_there_is() {
    let home = home();
    let home = home.path().canonicalize().unwrap();
    let expected = [
        (home.clone(), Kind::Base),
        (home.join("d"), Kind::Entry),
        (home.join("d/a"), Kind::Entry),
        (home.join("d/link"), Kind::Entry),
    ];
    for argument in ["d", home.join("d").to_str().unwrap()] {
        let (ended, records) = confirmed(&home, &[argument]);
        assert_eq!(ended.status, Some(0), "{}", ended.stderr);
        for (record, (path, kind)) in records.iter().zip(&expected) {
            // `PathBuf`s are the same with and without a slash at the end.
            assert_eq!((&record.0, record.1), (path, *kind));
            let stat = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).unwrap();
            assert_eq!(record.2, State::from(stat));
        }
        assert_eq!(records.len(), expected.len());
    }
}

#[test]
fn every_argument_has_its_base() {
    let home = home();
    let home = home.path().canonicalize().unwrap();
    fs::write(home.join("f"), "").unwrap();
    let (ended, records) = confirmed(&home, &["f", "d/../d/a"]);
    assert_eq!(ended.status, Some(0));
    let found: Vec<(PathBuf, Kind)> = records
        .into_iter()
        .map(|(path, kind, _)| (path, kind))
        .collect();
    let expected = [
        (home.clone(), Kind::Base),
        (home.join("d/../d"), Kind::Base),
        (home.join("d/../d/a"), Kind::Entry),
        (home.join("f"), Kind::Entry),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_was_not_sent_as_it_is_has_no_record_of_an_entry() {
    let home = home();
    let folder = home.path().join("d");
    mknodat(CWD, folder.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let (ended, records) = confirmed(home.path(), &["--ignore-symlinks", "d"]);
    assert_eq!(ended.status, Some(3));
    let kinds: Vec<Kind> = records.iter().map(|record| record.1).collect();
    assert_eq!(kinds, [Kind::Base, Kind::Entry, Kind::Entry, Kind::Special]);
    assert!(records[3].0.ends_with("d/pipe"));
    // Whoever reads the manifest names it.
    assert!(!ended.stderr.contains("pipe"), "{}", ended.stderr);
    fs::remove_file(folder.join("pipe")).unwrap();
    // The link was followed to a file that it does not name.
    fs::create_dir(home.path().join("outside")).unwrap();
    fs::write(home.path().join("outside/b"), "").unwrap();
    symlink("../outside", folder.join("to-folder")).unwrap();
    let (ended, records) = confirmed(home.path(), &["--dereference", "d"]);
    assert_eq!(ended.status, Some(0));
    let paths: Vec<_> = records
        .iter()
        .map(|record| record.0.file_name().unwrap())
        .collect();
    assert_eq!(paths[1..], ["d", "a"]);
}

#[test]
fn a_file_that_changed_while_it_was_sent_is_recorded_as_such_and_not_named() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("big");
    fs::write(&path, vec![b'x'; 8 << 20]).unwrap();
    let manifest = tempfile::tempfile().unwrap();
    let mut receiver = Receiver::over_sockets(agent_with(&manifest, home.path(), &["big"]));
    receiver.read(32);
    let file = File::options().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut &file, b"more").unwrap();
    receiver.read(4 + (8 << 20) + 32);
    receiver.confirm_what_was_read();
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(3));
    assert!(!ended.stderr.contains("big"), "{}", ended.stderr);
    let records = records(&manifest);
    let kinds: Vec<Kind> = records.iter().map(|record| record.1).collect();
    assert_eq!(kinds, [Kind::Base, Kind::Changed]);
    assert_eq!(records[1].2.id.inode, fs::metadata(&path).unwrap().ino());
}

/// The other of the two files has been opened when both go.
#[test]
fn a_file_that_vanished_is_recorded_as_such_and_not_named() {
    const LEN: usize = 8 << 20;
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("d");
    fs::create_dir(&folder).unwrap();
    for name in ["one", "two"] {
        fs::write(folder.join(name), vec![b'x'; LEN]).unwrap();
    }
    let manifest = tempfile::tempfile().unwrap();
    let mut receiver = Receiver::over_sockets(agent_with(&manifest, home.path(), &["d"]));
    receiver.read(32 + 2 + 32 + 6);
    for name in ["one", "two"] {
        fs::remove_file(folder.join(name)).unwrap();
    }
    receiver.read(LEN + 32 + 2 + 32);
    receiver.confirm_what_was_read();
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(3));
    assert!(!ended.stderr.contains("vanished"), "{}", ended.stderr);
    let mut kinds: Vec<u8> = Vec::new();
    for (_, kind, state) in records(&manifest) {
        kinds.push(u8::from(kind == Kind::Vanished));
        assert_eq!(kind == Kind::Vanished, state == State::NONE);
    }
    assert_eq!(kinds.iter().sum::<u8>(), 1);
}

/// Its state is the one that a later change would show against.
#[test]
fn a_file_just_written_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("fresh");
    fs::write(&path, "x").unwrap();
    let (ended, records) = confirmed(home.path(), &["fresh"]);
    assert_eq!(ended.status, Some(0));
    let changed = records[1].2.ctime;
    assert_eq!(changed.seconds, fs::metadata(&path).unwrap().ctime());
    fs::write(&path, "y").unwrap();
    let stat = statat(CWD, &path, AtFlags::empty()).unwrap();
    assert_ne!(State::from(stat).ctime, changed);
}

#[test]
fn a_manifest_that_cannot_be_written_is_a_failure() {
    let home = home();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut receiver = Receiver::over_sockets(agent_with(&full, home.path(), &["d"]));
    receiver.confirm();
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(1));
    assert!(
        ended.stderr.contains("nothing is deleted here"),
        "{}",
        ended.stderr
    );
    // A number that is not open is noticed before anything is sent.
    let mut command = agent(["--manifest", "1000000", "d"]);
    command.current_dir(home.path());
    let mut receiver = Receiver::over_sockets(command);
    assert_eq!(receiver.read_to_end(), b"");
    assert_eq!(receiver.ended().status, Some(1));
}
