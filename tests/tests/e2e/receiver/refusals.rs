//! What is refused and when, and what stays of a copy that failed.

use rustix::process::{Pid, Signal, kill_process};

use qfile_tests::code::{EDQUOT, EINVAL, ENOENT, EREMOTEIO, LEGAL_EOF};
use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Joint, feed};
use qfile_tests::process::Running;
use qfile_tests::stream::{FILE, FOLDER, RawEntry, Stream};
use qfile_tests::suite;

suite! {
    content_before_its_folder_is_refused,
    a_stream_that_ends_early_leaves_nothing_incomplete,
    fields_out_of_their_range_are_refused,
    a_failure_keeps_what_was_complete_and_stops_there,
    only_regular_files_where_nothing_else_is_wanted,
    a_signal_ends_it_and_leaves_nothing_incomplete,
    where_a_stream_stopped_is_said_only_if_it_has_a_name,
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
        mine.send(Stream::promise("half", 8 << 20).as_bytes())
            .unwrap();
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

fn where_a_stream_stopped_is_said_only_if_it_has_a_name() {
    let file = Stream::new().file("d/f", "content");
    for (stream, stopped) in [(Stream::new(), "stopped: "), (file, "stopped at \"d/f\": ")] {
        let inbox = Inbox::default();
        let said = inbox.receive(&["-v"], &stream).finished.stderr();
        assert!(said.contains(stopped), "{said}");
    }
}
