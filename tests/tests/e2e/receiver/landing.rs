//! What lands, and how: content, modes, times, folders, holes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Joint, converse, feed};
use qfile_tests::stream::{FILE, FOLDER, LINK, RawEntry, Stream, Verdict};
use qfile_tests::suite;
use qfile_tests::tree::set;

suite! {
    the_end_header_alone_is_a_copy_of_nothing,
    modes_and_times_are_those_of_the_headers,
    set_id_and_sticky_bits_never_land,
    a_folder_is_private_until_its_second_header,
    a_folder_sent_once_is_received,
    a_closed_folder_can_be_filled,
    a_folder_that_was_there_is_merged_into_and_keeps_its_mode,
    what_follows_the_end_header_is_nobodys,
    zeros_become_holes_unless_not_wanted,
    one_byte_at_a_time_is_enough,
}

fn the_end_header_alone_is_a_copy_of_nothing() {
    let inbox = Inbox::default();
    for joint in Joint::ALL {
        let answer = feed(inbox.command(&[]), joint, &[0; 32]);
        answer.assert_confirmed(0x190A_55AD);
        assert_eq!(answer.last_name(), None);
        assert_eq!(answer.finished.stderr(), "");
    }
    assert!(inbox.landed().is_empty());
}

fn modes_and_times_are_those_of_the_headers() {
    let inbox = Inbox::default();
    let (atime, mtime) = ((u32::MAX, 999_999_999), (0, 1));
    let timed = |entry: &mut RawEntry| (entry.atime, entry.mtime) = (atime, mtime);
    let folder = RawEntry::new(FOLDER | 0o751, "d", "").with(timed);
    let stream = Stream::new()
        .entry(&folder)
        .entry(&RawEntry::new(FILE | 0o604, "d/f", "x").with(timed))
        .entry(&RawEntry::new(FILE, "d/closed", "x").with(timed))
        .entry(&RawEntry::new(LINK | 0o777, "d/l", "f").with(timed))
        .entry(&folder)
        .end();
    inbox
        .receive(&[], &stream)
        .assert_confirmed(stream.checksum());
    for (name, mode) in [
        ("d", 0o751),
        ("d/f", 0o604),
        ("d/closed", 0),
        ("d/l", 0o777),
    ] {
        let Ok(metadata) = fs::symlink_metadata(inbox.incoming().join(name)) else {
            panic!("{name} is missing");
        };
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (0, 1), "{name}");
    }
    // Looking at folders and links changes theirs.
    let file = fs::metadata(inbox.incoming().join("d/f")).unwrap();
    let atime = (file.atime(), file.atime_nsec());
    assert_eq!(atime, (i64::from(u32::MAX), 999_999_999));
}

fn set_id_and_sticky_bits_never_land() {
    let inbox = Inbox::default();
    let folder = RawEntry::new(FOLDER | 0o7777, "d", "");
    let stream = Stream::new()
        .entry(&folder)
        .entry(&RawEntry::new(FILE | 0o7755, "d/f", "x"))
        .entry(&folder)
        .end();
    inbox
        .receive(&[], &stream)
        .assert_confirmed(stream.checksum());
    assert_eq!(inbox.landed().get("d").unwrap().mode, 0o777);
    assert_eq!(inbox.landed().get("d/f").unwrap().mode, 0o755);
}

fn a_folder_is_private_until_its_second_header() {
    let inbox = Inbox::default();
    let open = Stream::new().folder("d").file("d/f", "x");
    let (verdict, _) = converse(inbox.command(&[]), Joint::Pipes, |side| {
        side.send(open.as_bytes()).unwrap();
        // More than any buffer holds: when it is sent, the folder has been made.
        let big = RawEntry::new(FILE | 0o644, "d/big", vec![1; 4 << 20]);
        side.send(Stream::new().entry(&big).as_bytes()).unwrap();
        assert_eq!(inbox.landed().get("d").unwrap().mode, 0o700);
        side.send(Stream::new().folder("d").end().as_bytes())
            .unwrap();
        Verdict::parse(&side.rest())
    });
    assert_eq!(verdict.unwrap().code, 0);
    let folder = inbox.landed().get("d").unwrap();
    assert_eq!(
        (folder.mode, folder.mtime),
        (0o755, (1_600_000_002, 222_222_222))
    );
}

/// As `tar2qfile` sends it.
fn a_folder_sent_once_is_received() {
    let inbox = Inbox::default();
    let once = RawEntry::new(FOLDER | 0o644, "d", "");
    let stream = Stream::new()
        .entry(&once)
        .file("d/f", "x")
        .file("g", "y")
        .end();
    inbox
        .receive(&[], &stream)
        .assert_confirmed(stream.checksum());
    let landed = inbox.landed();
    assert_eq!(landed.paths(), ["d", "d/f", "g"]);
    assert_eq!(landed.get("d").unwrap().mode, 0o700);
}

fn a_closed_folder_can_be_filled() {
    for mode in [0o555, 0] {
        let inbox = Inbox::default();
        let folder = RawEntry::new(FOLDER | mode, "d", "");
        let inner = RawEntry::new(FOLDER | mode, "d/e", "");
        let stream = Stream::new()
            .entry(&folder)
            .entry(&inner)
            .file("d/e/f", "x")
            .entry(&inner)
            .file("d/g", "y")
            .entry(&folder)
            .end();
        inbox
            .receive(&[], &stream)
            .assert_confirmed(stream.checksum());
        let metadata = fs::metadata(inbox.incoming().join("d")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode);
        assert_eq!(metadata.mtime(), 1_600_000_002);
        set(&inbox.incoming().join("d"), Some(0o700), (0, 0));
        set(&inbox.incoming().join("d/e"), Some(0o700), (0, 0));
        assert_eq!(inbox.landed().paths(), ["d", "d/e", "d/e/f", "d/g"]);
    }
}

fn a_folder_that_was_there_is_merged_into_and_keeps_its_mode() {
    let inbox = Inbox::default();
    let folder = inbox.incoming().join("d");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("old"), "old").unwrap();
    set(&folder, Some(0o750), (1_000_000, 0));
    let empty = inbox.incoming().join("empty");
    fs::create_dir(&empty).unwrap();
    set(&empty, Some(0o705), (1_000_000, 0));
    let stream = Stream::new()
        .folder("d")
        .file("d/new", "new")
        .folder("d/sub")
        .folder("d/sub")
        .folder("d")
        .folder("empty")
        .folder("empty")
        .end();
    inbox
        .receive(&[], &stream)
        .assert_confirmed(stream.checksum());
    let landed = inbox.landed();
    assert_eq!(landed.paths(), ["d", "d/new", "d/old", "d/sub", "empty"]);
    assert_eq!(landed.get("d").unwrap().mode, 0o750);
    assert_ne!(landed.get("d").unwrap().mtime, (1_600_000_002, 222_222_222));
    assert_eq!(landed.get("d/sub").unwrap().mode, 0o755);
    let empty = landed.get("empty").unwrap();
    assert_eq!((empty.mode, empty.mtime), (0o705, (1_000_000, 0)));
}

fn what_follows_the_end_header_is_nobodys() {
    let inbox = Inbox::default();
    let stream = Stream::new().file("a", "x").end();
    let more = stream.clone().file("b", "y").end();
    inbox
        .receive(&[], &more)
        .assert_confirmed(stream.checksum());
    assert_eq!(inbox.landed().paths(), ["a"]);
}

fn zeros_become_holes_unless_not_wanted() {
    const LEN: u64 = 16 << 20;
    let mut content = vec![0; usize::try_from(LEN).unwrap()];
    content[9_000_000] = 1;
    let stream = Stream::new().file("zeros", &content).end();
    let on_disk = |options: &[&str]| {
        let inbox = Inbox::default();
        inbox
            .receive(options, &stream)
            .assert_confirmed(stream.checksum());
        assert_eq!(fs::read(inbox.incoming().join("zeros")).unwrap(), content);
        fs::metadata(inbox.incoming().join("zeros"))
            .unwrap()
            .blocks()
            * 512
    };
    let sparse = on_disk(&[]);
    assert!(sparse < LEN / 8, "{sparse} bytes on disk");
    assert!(on_disk(&["--no-sparse"]) >= LEN);
}

fn one_byte_at_a_time_is_enough() {
    let inbox = Inbox::default();
    let stream = Stream::new()
        .folder("d")
        .file("d/f", "content")
        .link("d/l", "f")
        .folder("d")
        .end();
    let (verdict, _) = converse(inbox.command(&[]), Joint::Sockets, |side| {
        for byte in stream.as_bytes() {
            side.send(&[*byte]).unwrap();
        }
        Verdict::parse(&side.rest())
    });
    assert_eq!(verdict.unwrap().crc32, u64::from(stream.checksum()));
    assert_eq!(inbox.landed().paths(), ["d", "d/f", "d/l"]);
}
