//! Several copies at the same time: from two qubes, from one, and of the same name; and people who
//! work in the incoming folder meanwhile.

use std::fs;
use std::thread;

use rustix::fs::{CWD, Mode, OFlags, open, openat, readlinkat};

use qfile_tests::code::EEXIST;
use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Joint, Side};
use qfile_tests::process::{Finished, Running, run};
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::stream::{FILE, RawEntry, Stream, Verdict};
use qfile_tests::suite;
use qfile_tests::tree::Snapshot;

suite! {
    two_qubes_copy_to_a_third_at_once,
    two_streams_into_one_folder_take_turns_and_both_land,
    of_two_files_of_one_name_exactly_one_lands,
    two_streams_fill_one_folder,
    a_receiver_that_is_killed_does_not_disturb_the_other,
    whoever_stands_in_the_incoming_folder_stays_there,
}

fn two_qubes_copy_to_a_third_at_once() {
    const PERSONAL: &str = "personal";
    let qubes = Qubes::new();
    qubes.add(PERSONAL);
    for (source, byte) in [(SOURCE, 1), (PERSONAL, 2)] {
        let folder = qubes.home(source).join("folder");
        fs::create_dir(&folder).unwrap();
        for number in 0..50 {
            fs::write(folder.join(number.to_string()), vec![byte; 100_000]).unwrap();
        }
    }
    let copy = |source: &str| {
        let mut command = qubes.command(source, "qvm-copy-to-vm");
        command.args([TARGET, "folder"]);
        let sent = Snapshot::of(&qubes.home(source));
        run(command).assert_code(0);
        sent.assert_arrived(&Snapshot::of(&qubes.incoming(source, TARGET)));
    };
    thread::scope(|scope| {
        for source in [SOURCE, PERSONAL] {
            scope.spawn(move || copy(source));
        }
    });
}

/// A receiver at work.
struct Receiver {
    side: Side,
    running: Running,
}

impl Receiver {
    fn new(inbox: &Inbox) -> Self {
        let (side, theirs) = Joint::Sockets.sides();
        let mut command = inbox.command(&[]);
        theirs.give_to(&mut command);
        Self {
            side,
            running: Running::start(command),
        }
    }

    /// Ends the stream and takes the verdict.
    fn finish(mut self) -> (u32, Finished) {
        // One that has refused reads no more.
        let _ = self.side.send(&[0; 32]);
        let verdict = Verdict::parse(&self.side.rest()).unwrap();
        (verdict.code, self.running.finish())
    }
}

/// More than any buffer holds: when a half of it is sent, the file has been begun.
const BIG: usize = 4 << 20;

fn big(name: &str, byte: u8) -> Vec<u8> {
    let entry = RawEntry::new(FILE | 0o644, name, vec![byte; BIG]);
    Stream::new().entry(&entry).as_bytes().to_vec()
}

fn two_streams_into_one_folder_take_turns_and_both_land() {
    let inbox = Inbox::default();
    let (mut one, mut other) = (Receiver::new(&inbox), Receiver::new(&inbox));
    let (ones, others) = (big("one", 1), big("other", 2));
    for (ones, others) in ones.chunks(1 << 20).zip(others.chunks(1 << 20)) {
        one.side.send(ones).unwrap();
        other.side.send(others).unwrap();
    }
    for receiver in [other, one] {
        assert_eq!(receiver.finish().0, 0);
    }
    for (name, byte) in [("one", 1), ("other", 2)] {
        assert_eq!(
            fs::read(inbox.incoming().join(name)).unwrap(),
            vec![byte; BIG]
        );
    }
}

fn of_two_files_of_one_name_exactly_one_lands() {
    let inbox = Inbox::default();
    let (mut one, mut other) = (Receiver::new(&inbox), Receiver::new(&inbox));
    let (ones, others) = (big("same", 1), big("same", 2));
    // Both have begun before either is complete: no check beforehand can tell.
    one.side.send(&ones[..BIG / 2]).unwrap();
    other.side.send(&others[..BIG / 2]).unwrap();
    one.side.send(&ones[BIG / 2..]).unwrap();
    assert_eq!(one.finish().0, 0);
    // It may have been refused before this is all sent.
    let _ = other.side.send(&others[BIG / 2..]);
    let (code, finished) = other.finish();
    assert_eq!(code, EEXIST);
    finished.assert_code(17);
    assert_eq!(
        fs::read(inbox.incoming().join("same")).unwrap(),
        vec![1; BIG]
    );
    assert_eq!(inbox.landed().len(), 1);
}

fn two_streams_fill_one_folder() {
    let inbox = Inbox::default();
    let (mut one, mut other) = (Receiver::new(&inbox), Receiver::new(&inbox));
    let folder = Stream::new().folder("d");
    for (receiver, name) in [(&mut one, "d/one"), (&mut other, "d/other")] {
        receiver.side.send(folder.as_bytes()).unwrap();
        receiver.side.send(&big(name, 1)).unwrap();
    }
    // Only the first made the folder; whoever closes it, both end well.
    for mut receiver in [one, other] {
        receiver.side.send(folder.as_bytes()).unwrap();
        assert_eq!(receiver.finish().0, 0);
    }
    let landed = inbox.landed();
    assert_eq!(landed.paths(), ["d", "d/one", "d/other"]);
    assert_eq!(landed.get("d").unwrap().mode, 0o755);
}

fn a_receiver_that_is_killed_does_not_disturb_the_other() {
    let inbox = Inbox::default();
    let (mut one, mut other) = (Receiver::new(&inbox), Receiver::new(&inbox));
    let (ones, others) = (big("one", 1), big("other", 2));
    one.side.send(&ones[..BIG / 2]).unwrap();
    other.side.send(&others[..BIG / 2]).unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(inbox.root().to_str().unwrap()), "{mounts}");
    one.running.child.kill().unwrap();
    assert_eq!(one.running.finish().code(), 128 + 9);
    other.side.send(&others[BIG / 2..]).unwrap();
    assert_eq!(other.finish().0, 0);
    let landed = inbox.landed();
    assert_eq!(landed.get("other").unwrap().len, BIG as u64);
    // A file system without O_TMPFILE leaves a file that nobody may open.
    assert!(landed.get("one").is_none_or(|one| one.mode == 0));
}

fn whoever_stands_in_the_incoming_folder_stays_there() {
    let inbox = Inbox::default();
    // As a shell has its working directory open.
    let standing = open(
        inbox.incoming(),
        OFlags::PATH | OFlags::DIRECTORY,
        Mode::empty(),
    )
    .unwrap();
    let stream = Stream::new().folder("d").link("d/l", "x").folder("d").end();
    inbox
        .receive(&[], &stream)
        .assert_confirmed(stream.checksum());
    let folder = openat(&standing, "d", OFlags::RDONLY, Mode::empty()).unwrap();
    assert_eq!(
        readlinkat(&folder, "l", Vec::new()).unwrap().as_bytes(),
        b"x"
    );
    let there = rustix::fs::fstat(&standing).unwrap();
    let here = rustix::fs::statat(CWD, inbox.incoming(), rustix::fs::AtFlags::empty()).unwrap();
    assert_eq!((there.st_dev, there.st_ino), (here.st_dev, here.st_ino));
}
