//! The receiver's own contract: its command lines, what lands and how, what is refused and when.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::process::{Pid, Signal, kill_process};

use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Answer, Joint, converse, feed};
use qfile_tests::process::Running;
use qfile_tests::stream::{FILE, FOLDER, LEGAL_EOF, LINK, RawEntry, Stream, Verdict};
use qfile_tests::suite;
use qfile_tests::tree::{Kind, set};
use qfile_tests::user::{in_private_mounts, mount_tmpfs, my_uid, needs_private_mounts};

const ENOENT: u32 = 2;
const EEXIST: u32 = 17;
const ENOTDIR: u32 = 20;
const EINVAL: u32 = 22;
const ENOSPC: u32 = 28;
const EREMOTEIO: u32 = 121;
const EDQUOT: u32 = 122;

suite! {
    the_end_header_alone_is_a_copy_of_nothing,
    every_form_of_the_command_line_receives,
    a_bad_command_line_is_one_clear_line_and_status_1,
    names_are_told_only_when_asked_for,
    a_failure_tells_the_caller_nothing_of_this_qube,
    modes_and_times_are_those_of_the_headers,
    set_id_and_sticky_bits_never_land,
    a_folder_is_private_until_its_second_header,
    a_folder_sent_once_is_received,
    a_closed_folder_can_be_filled,
    a_folder_that_was_there_is_merged_into_and_keeps_its_mode,
    an_existing_file_is_refused_at_its_header,
    whatever_stands_in_the_way_is_never_replaced,
    content_before_its_folder_is_refused,
    a_stream_that_ends_early_leaves_nothing_incomplete,
    what_follows_the_end_header_is_nobodys,
    fields_out_of_their_range_are_refused,
    a_failure_keeps_what_was_complete_and_stops_there,
    limits_on_bytes_and_files_hold,
    only_regular_files_where_nothing_else_is_wanted,
    a_conflict_can_rename_the_new_one,
    a_conflict_can_skip_what_is_identical,
    zeros_become_holes_unless_not_wanted,
    a_file_longer_than_the_free_space_is_refused_at_its_header,
    one_byte_at_a_time_is_enough,
    a_signal_ends_it_and_leaves_nothing_incomplete,
    a_full_disk_leaves_what_was_complete [needs_private_mounts],
    a_disk_without_inodes_left_is_said [needs_private_mounts],
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

fn every_form_of_the_command_line_receives() {
    let uid = my_uid().to_string();
    let stream = Stream::new().file("file", "x").end();
    let today: [&[&str]; 6] = [
        &["", "DIR"],
        &[&uid, "DIR"],
        &["-v", "", "DIR"],
        &[
            "--verbose",
            "--allow-all-names",
            "--no-allow-all-names",
            &uid,
            "DIR",
        ],
        &["-w", "4096", "", "DIR"],
        &["--wait-for-space", "0", "--", "", "DIR"],
    ];
    let legacy: [&[&str]; 5] = [
        &[&uid, "DIR", "-v"],
        &[&uid, "DIR", "-w"],
        &[&uid, "DIR", "-w", "4096"],
        &[&uid, "DIR", "-v", "-w"],
        &[&uid, "DIR", "-w", "-v"],
    ];
    for form in today.into_iter().chain(legacy) {
        let inbox = Inbox::default();
        let folder = inbox.path();
        let arguments: Vec<&str> = form
            .iter()
            .map(|argument| match *argument {
                "DIR" => folder.to_str().unwrap(),
                other => other,
            })
            .collect();
        let answer = feed(
            inbox.bare_command(&arguments),
            Joint::Pipes,
            stream.as_bytes(),
        );
        answer.assert_confirmed(stream.checksum());
        assert_eq!(inbox.landed().paths(), ["file"], "{form:?}");
    }
}

fn a_bad_command_line_is_one_clear_line_and_status_1() {
    let lines: [&[&str]; 11] = [
        &["--no-such-option", "", "DIR"],
        &["--verb", "", "DIR"],
        &["--allow-all", "", "DIR"],
        &["-x", "", "DIR"],
        &["-w"],
        &["-w", "2147483648", "", "DIR"],
        &["-w", "-1", "", "DIR"],
        &["-w", "many", "", "DIR"],
        &["--on-conflict", "overwrite", "", "DIR"],
        &["12x", "DIR"],
        &["", "DIR", "one too many"],
    ];
    for line in lines {
        let inbox = Inbox::default();
        let folder = inbox.path();
        let arguments: Vec<&str> = line
            .iter()
            .map(|argument| match *argument {
                "DIR" => folder.to_str().unwrap(),
                other => other,
            })
            .collect();
        let stream = Stream::new().file("file", "x").end();
        let (_, finished) = converse(inbox.bare_command(&arguments), Joint::Pipes, |side| {
            // It may have gone before it is sent.
            let _ = side.send(stream.as_bytes());
            side.stop_sending();
            side.rest()
        });
        assert_eq!(finished.code(), 1, "{line:?}: {}", finished.stderr());
        assert_eq!(
            finished.stderr().lines().count(),
            1,
            "{line:?}: {}",
            finished.stderr()
        );
        assert!(inbox.landed().is_empty(), "{line:?}");
    }
}

fn names_are_told_only_when_asked_for() {
    let stream = Stream::new()
        .folder("folder")
        .file("folder/file", "x")
        .folder("folder")
        .end();
    let inbox = Inbox::default();
    let told = inbox.receive(&["-v"], &stream).finished;
    told.assert_says("folder/file");
    let inbox = Inbox::default();
    assert_eq!(inbox.receive(&[], &stream).finished.stderr(), "");
}

fn a_failure_tells_the_caller_nothing_of_this_qube() {
    let streams = [
        Stream::new().file("secret", "x").end(),
        Stream::new().folder("secret").end(),
        Stream::new().file("no/such/folder", "x").end(),
        Stream::new().file("../x", "x").end(),
        Stream::new().file("cut", "x"),
    ];
    for stream in streams {
        let inbox = Inbox::default();
        fs::write(inbox.path().join("secret"), "x").unwrap();
        let answer = inbox.receive(&[], &stream);
        if stream.as_bytes().ends_with(&[0; 32]) {
            assert_ne!(answer.verdict.as_ref().unwrap().code, 0);
        }
        let stderr = answer.finished.stderr();
        let local = [inbox.root().to_str().unwrap(), "secret"];
        assert!(!local.iter().any(|text| stderr.contains(text)), "{stderr}");
    }
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
        let Ok(metadata) = fs::symlink_metadata(inbox.path().join(name)) else {
            panic!("{name} is missing");
        };
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (0, 1), "{name}");
    }
    // Looking at folders and links changes theirs.
    let file = fs::metadata(inbox.path().join("d/f")).unwrap();
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
        let metadata = fs::metadata(inbox.path().join("d")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode);
        assert_eq!(metadata.mtime(), 1_600_000_002);
        set(&inbox.path().join("d"), Some(0o700), (0, 0));
        set(&inbox.path().join("d/e"), Some(0o700), (0, 0));
        assert_eq!(inbox.landed().paths(), ["d", "d/e", "d/e/f", "d/g"]);
    }
}

fn a_folder_that_was_there_is_merged_into_and_keeps_its_mode() {
    let inbox = Inbox::default();
    let folder = inbox.path().join("d");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("old"), "old").unwrap();
    set(&folder, Some(0o750), (1_000_000, 0));
    let empty = inbox.path().join("empty");
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

/// Sends what is there and takes the verdict, without ending the stream: the receiver does not
/// wait for more before it answers.
fn answer_to_the_beginning(inbox: &Inbox, options: &[&str], beginning: &Stream) -> Answer {
    let (verdict, finished) = converse(inbox.command(options), Joint::Sockets, |side| {
        side.send(beginning.as_bytes()).unwrap();
        Verdict::parse(&side.rest())
    });
    Answer { verdict, finished }
}

/// The header and name of a file of `len` bytes, without its content.
fn promise(name: &str, len: u64) -> Stream {
    let entry = RawEntry::new(FILE | 0o644, name, "").with(|entry| entry.file_len = len);
    Stream::new().entry(&entry)
}

fn an_existing_file_is_refused_at_its_header() {
    let inbox = Inbox::default();
    fs::write(inbox.path().join("file"), "before").unwrap();
    let before = inbox.landed();
    let answer = answer_to_the_beginning(&inbox, &[], &promise("file", 5 << 20));
    answer.assert_refused(EEXIST);
    assert_eq!(answer.last_name(), Some(&b"file"[..]));
    let small = inbox.receive(&[], &Stream::new().file("file", "small").end());
    small.assert_refused(EEXIST);
    before.assert_unchanged(&inbox.landed());
}

fn whatever_stands_in_the_way_is_never_replaced() {
    let sent = [
        Stream::new().file("taken", "new").end(),
        Stream::new().folder("taken").folder("taken").end(),
        Stream::new().link("taken", "new").end(),
    ];
    let make: [fn(&std::path::Path); 4] = [
        |path| fs::write(path, "old").unwrap(),
        |path| fs::create_dir(path).unwrap(),
        |path| std::os::unix::fs::symlink("../sentinel", path).unwrap(),
        |path| std::os::unix::fs::symlink("../sentinels", path).unwrap(),
    ];
    for (here, make) in make.into_iter().enumerate() {
        for (there, stream) in sent.iter().enumerate() {
            let inbox = Inbox::default();
            make(&inbox.path().join("taken"));
            set(&inbox.path().join("taken"), None, (1_000_000, 0));
            let before = inbox.landed();
            let answer = inbox.receive(&["--allow-unsafe-symlinks"], stream);
            let code = answer.verdict.as_ref().unwrap().code;
            if (here, there) == (1, 1) {
                assert_eq!(code, 0, "a folder merges into a folder");
            } else {
                assert!([EEXIST, ENOTDIR].contains(&code), "{here} {there}: {code}");
                answer.assert_refused(code);
            }
            before.assert_unchanged(&inbox.landed());
        }
    }
    // Within one stream too.
    for again in &sent {
        let inbox = Inbox::default();
        let twice = Stream::new().file("taken", "first").bytes(again.as_bytes());
        let answer = inbox.receive(&["--allow-unsafe-symlinks"], &twice);
        assert_ne!(answer.verdict.unwrap().code, 0);
        let landed = inbox.landed().get("taken").unwrap();
        assert_eq!((landed.kind, landed.len), (Kind::File, 5));
    }
}

fn content_before_its_folder_is_refused() {
    for stream in [
        Stream::new().file("d/f", "x").folder("d").end(),
        Stream::new().folder("d/e").end(),
        Stream::new().link("d/l", "x").end(),
    ] {
        let inbox = Inbox::default();
        inbox.receive(&[], &stream).assert_refused(ENOENT);
        assert!(inbox.landed().is_empty());
    }
}

fn a_stream_that_ends_early_leaves_nothing_incomplete() {
    let folder = Stream::new().folder("d");
    let file = Stream::new().file("d/f", "content");
    let link = Stream::new().link("d/l", "target");
    let whole = Stream::new()
        .bytes(folder.as_bytes())
        .bytes(file.as_bytes())
        .bytes(link.as_bytes())
        .end();
    let entries = [
        folder.as_bytes().len(),
        file.as_bytes().len(),
        link.as_bytes().len(),
    ];
    for cut in 0..whole.as_bytes().len() {
        let inbox = Inbox::default();
        let answer = feed(inbox.command(&[]), Joint::Pipes, &whole.as_bytes()[..cut]);
        let mut inside = cut;
        let mut complete = 0;
        for len in entries {
            if inside < len {
                break;
            }
            (inside, complete) = (inside - len, complete + 1);
        }
        let code = if complete < 3 && inside >= 32 {
            LEGAL_EOF
        } else {
            EREMOTEIO
        };
        assert_eq!(answer.verdict.as_ref().unwrap().code, code, "cut at {cut}");
        answer.assert_refused(code);
        let landed = inbox.landed();
        assert_eq!(landed.get("d/f").is_some(), complete > 1, "cut at {cut}");
        assert_eq!(landed.get("d/l").is_some(), complete > 2, "cut at {cut}");
        assert!(
            landed.len() <= complete.max(1),
            "cut at {cut}: {:?}",
            landed.paths()
        );
    }
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

fn fields_out_of_their_range_are_refused() {
    let nanoseconds = |atime, mtime| {
        RawEntry::new(FILE | 0o644, "x", "c").with(|entry| {
            entry.atime.1 = atime;
            entry.mtime.1 = mtime;
        })
    };
    let table = [
        (RawEntry::new(0o644, "x", ""), EINVAL),
        (RawEntry::new(0o010_644, "x", ""), EINVAL),
        (RawEntry::new(0o020_644, "x", ""), EINVAL),
        (RawEntry::new(0o060_644, "x", ""), EINVAL),
        (RawEntry::new(0o140_644, "x", ""), EINVAL),
        (RawEntry::new(0o170_644, "x", ""), EINVAL),
        (RawEntry::new(FOLDER | 0o755, "x", "content"), EINVAL),
        (nanoseconds(1_000_000_000, 0), EINVAL),
        (nanoseconds(0, 1_000_000_000), EINVAL),
        (nanoseconds(u32::MAX, 0), EINVAL),
        (
            RawEntry::new(FILE | 0o644, "x", "").with(|e| e.file_len = 1 << 63),
            EDQUOT,
        ),
        (
            RawEntry::new(FILE | 0o644, "x", "").with(|e| e.file_len = u64::MAX),
            EDQUOT,
        ),
    ];
    for (entry, code) in table {
        let inbox = Inbox::default();
        let answer = inbox.receive(&[], &Stream::new().entry(&entry).end());
        answer.assert_refused(code);
        assert_eq!(answer.last_name(), Some(&b"x"[..]), "{entry:?}");
        assert!(inbox.landed().is_empty(), "{entry:?}");
    }
}

fn a_failure_keeps_what_was_complete_and_stops_there() {
    let inbox = Inbox::default();
    let stream = Stream::new()
        .file("before", "x")
        .file("../forbidden", "x")
        .file("after", "x")
        .end();
    let answer = inbox.receive(&[], &stream);
    assert_eq!(answer.last_name(), Some(&b"../forbidden"[..]));
    assert_eq!(inbox.landed().paths(), ["before"]);
}

fn limits_on_bytes_and_files_hold() {
    let stream = Stream::new().file("a", "123456").file("b", "7890").end();
    for (options, fits) in [
        (["--max-bytes", "10"], true),
        (["--max-bytes", "9"], false),
        (["--max-files", "2"], true),
        (["--max-files", "1"], false),
    ] {
        let inbox = Inbox::default();
        let answer = inbox.receive(&options, &stream);
        if fits {
            answer.assert_confirmed(stream.checksum());
        } else {
            answer.assert_refused(EDQUOT);
            assert_eq!(answer.last_name(), Some(&b"b"[..]));
            assert_eq!(inbox.landed().paths(), ["a"], "{options:?}");
        }
    }
    // At the header, and without an overflow of the sum.
    let inbox = Inbox::default();
    let two = Stream::new()
        .file("a", "x")
        .bytes(promise("b", (1 << 63) - 1).as_bytes());
    answer_to_the_beginning(&inbox, &["--max-bytes", "1000"], &two).assert_refused(EDQUOT);
}

fn only_regular_files_where_nothing_else_is_wanted() {
    let only = &["--only-regular-files", "--allow-unsafe-symlinks"][..];
    let inbox = Inbox::default();
    let stream = Stream::new().file("file", "x").end();
    inbox
        .receive(only, &stream)
        .assert_confirmed(stream.checksum());
    inbox
        .receive(only, &Stream::new().folder("d").end())
        .assert_refused(EINVAL);
    inbox
        .receive(only, &Stream::new().link("l", "x").end())
        .assert_refused(EINVAL);
    assert_eq!(inbox.landed().paths(), ["file"]);
}

fn a_conflict_can_rename_the_new_one() {
    let inbox = Inbox::default();
    let rename = &["--on-conflict", "rename"][..];
    let stream = Stream::new()
        .file("plain", "x")
        .file("report.pdf", "x")
        .folder("d")
        .file("d/f", "x")
        .folder("d/e")
        .file("d/e/g", "x")
        .folder("d/e")
        .folder("d")
        .end();
    for _ in 0..3 {
        inbox
            .receive(rename, &stream)
            .assert_confirmed(stream.checksum());
    }
    let landed = inbox.landed();
    let mut expected = Vec::new();
    for number in ["", " (2)", " (3)"] {
        expected.push(format!("plain{number}"));
        expected.push(format!("report{number}.pdf"));
        for inner in ["", "/e", "/e/g", "/f"] {
            expected.push(format!("d{number}{inner}"));
        }
    }
    expected.sort();
    assert_eq!(landed.paths(), expected);
    assert_eq!(landed.get("d (3)").unwrap().mode, 0o755);
}

fn a_conflict_can_skip_what_is_identical() {
    let skip = &["--on-conflict", "skip-identical"][..];
    let inbox = Inbox::default();
    let content = vec![7; 200_000];
    let stream = Stream::new()
        .folder("d")
        .file("d/f", &content)
        .folder("d")
        .file("g", "")
        .end();
    inbox
        .receive(skip, &stream)
        .assert_confirmed(stream.checksum());
    // To be compared a file is read, so its time of access may change.
    let landed = || {
        let landed = inbox.landed();
        ["d", "d/f", "g"].map(|name| {
            let mut record = landed.get(name).unwrap();
            record.atime = (0, 0);
            record
        })
    };
    let before = landed();
    inbox
        .receive(skip, &stream)
        .assert_confirmed(stream.checksum());
    assert_eq!(landed(), before);
    // Another size is known at the header.
    answer_to_the_beginning(&inbox, skip, &promise("d/f", 200_001)).assert_refused(EEXIST);
    // The same size, another byte at the end.
    let mut other = content;
    other[199_999] = 8;
    let other = Stream::new().file("d/f", other).end();
    inbox.receive(skip, &other).assert_refused(EEXIST);
    assert_eq!(landed(), before);
    assert_eq!(inbox.landed().len(), 3);
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
        assert_eq!(fs::read(inbox.path().join("zeros")).unwrap(), content);
        fs::metadata(inbox.path().join("zeros")).unwrap().blocks() * 512
    };
    let sparse = on_disk(&[]);
    assert!(sparse < LEN / 8, "{sparse} bytes on disk");
    assert!(on_disk(&["--no-sparse"]) >= LEN);
}

fn a_file_longer_than_the_free_space_is_refused_at_its_header() {
    let inbox = Inbox::default();
    let answer = answer_to_the_beginning(&inbox, &[], &promise("huge", (1 << 63) - 1));
    answer.assert_refused(ENOSPC);
    assert_eq!(answer.last_name(), Some(&b"huge"[..]));
    assert!(inbox.landed().is_empty());
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

fn a_signal_ends_it_and_leaves_nothing_incomplete() {
    // What this process was started to ignore (a shell's background job: SIGINT) stays ignored.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::KILL] {
        if ignored >> (signal.as_raw() - 1) & 1 == 1 {
            continue;
        }
        let inbox = Inbox::default();
        let (mut mine, theirs) = Joint::Pipes.sides();
        let mut command = inbox.command(&[]);
        theirs.give_to(&mut command);
        let running = Running::start(command);
        mine.send(Stream::new().file("whole", "x").as_bytes())
            .unwrap();
        mine.send(promise("half", 8 << 20).as_bytes()).unwrap();
        // More than any buffer holds: when it is sent, the file has been begun.
        mine.send(&vec![1; 4 << 20]).unwrap();
        kill_process(Pid::from_child(&running.child), signal).unwrap();
        let finished = running.finish();
        assert_eq!(finished.code(), 128 + signal.as_raw());
        assert_eq!(mine.rest(), b"", "no verdict");
        let landed = inbox.landed();
        assert_eq!(landed.get("whole").unwrap().len, 1);
        // A file system without O_TMPFILE leaves a file that nobody may open.
        assert!(landed.get("half").is_none_or(|half| half.mode == 0));
    }
}

fn a_full_disk_leaves_what_was_complete() {
    in_private_mounts(|| {
        let inbox = Inbox::default();
        mount_tmpfs(&inbox.path(), 1 << 20, "");
        let answer = answer_to_the_beginning(&inbox, &[], &promise("too-long", 2 << 20));
        answer.assert_refused(ENOSPC);
        assert!(inbox.landed().is_empty());

        let content = vec![1; 300 << 10];
        let stream = ["a", "b", "c", "d"]
            .iter()
            .fold(Stream::new(), |stream, name| stream.file(name, &content))
            .end();
        for options in [&[][..], &["--no-space-check"]] {
            let answer = inbox.receive(options, &stream);
            answer.assert_refused(ENOSPC);
            assert_eq!(answer.last_name(), Some(&b"d"[..]));
            assert_eq!(inbox.landed().paths(), ["a", "b", "c"]);
            for name in ["a", "b", "c"] {
                assert_eq!(fs::read(inbox.path().join(name)).unwrap(), content);
                fs::remove_file(inbox.path().join(name)).unwrap();
            }
        }
    });
}

fn a_disk_without_inodes_left_is_said() {
    in_private_mounts(|| {
        let inbox = Inbox::default();
        mount_tmpfs(&inbox.path(), 1 << 20, ",nr_inodes=4");
        let stream = (0..10).fold(Stream::new(), |stream, number| {
            stream.file(number.to_string(), "x")
        });
        inbox.receive(&[], &stream.end()).assert_refused(ENOSPC);
        let landed = inbox.landed();
        assert!(landed.len() < 4);
        assert!(
            landed
                .paths()
                .iter()
                .all(|path| landed.get(path).unwrap().len == 1)
        );
    });
}
