//! Attacks on resources: disk, inodes, limits, memory, patience.

use std::fs;
use std::path::Path;

use libc::{EDQUOT, ENOSPC};
use qfile_tests::attack::Target;
use qfile_tests::attacks;
use qfile_tests::code::LEGAL_EOF;
use qfile_tests::receiver::Form;
use qfile_tests::stream::{FILE, RawEntry, Stream};
use qfile_tests::user::{in_private_mounts, mount_tmpfs, needs_private_mounts};
use qfile_tests::watched::Watched;
use rustix::process::Signal;

attacks! {
    a_file_longer_than_the_free_space_is_refused_at_its_header, [needs_private_mounts];
    a_disk_that_fills_up_leaves_only_complete_files, [needs_private_mounts];
    a_disk_that_fills_up_within_a_file_leaves_nothing_of_it, [needs_private_mounts];
    a_disk_without_inodes_is_reported_with_the_name, [needs_private_mounts];
    the_limit_on_files_stops_the_copy_there;
    the_limit_on_bytes_stops_the_copy_there;
    a_stream_that_comes_one_byte_at_a_time_is_a_stream;
    a_sender_that_stops_is_waited_for_and_leaves_nothing_incomplete;
    a_hundred_thousand_empty_files_take_no_memory;
    a_large_file_takes_no_memory;
    a_name_of_4_gib_takes_no_memory;
}

const MEBIBYTE: usize = 1 << 20;

/// Runs `body` with an incoming folder on a disk of one MiB.
fn on_small_disk(form: Form, options: &str, body: impl Fn(&Target) + Sync) {
    in_private_mounts(|| {
        let target = Target::on(form, |home| mount_tmpfs(home, 1 << 20, options));
        body(&target);
    });
}

fn a_file_longer_than_the_free_space_is_refused_at_its_header(form: Form) {
    on_small_disk(form, "", |target| {
        let file = RawEntry::new(FILE | 0o644, "x", "").with(|entry| entry.file_len = 2 << 20);
        let mut receiver = Watched::start(target.command(&[]));
        let start = Stream::new().file("kept", "").entry(&file);
        // Not one byte of content is sent.
        receiver.send(start.as_bytes()).expect("it is read");
        let answer = receiver.finish(&Stream::new());
        answer.assert_refused(ENOSPC.unsigned_abs());
        assert_eq!(answer.last_name(), Some(&b"x"[..]));
        target.assert_landed(&["kept"]);
    });
}

fn a_disk_that_fills_up_leaves_only_complete_files(form: Form) {
    for options in [&[][..], &["--no-space-check"]] {
        on_small_disk(form, "", |target| {
            let content = vec![b'x'; 100_000];
            let stream = (0..20).fold(Stream::new(), |stream, number| {
                stream.file(format!("f{number}"), &content)
            });
            let answer = target.receive(options, &stream.end());
            answer.assert_refused(ENOSPC.unsigned_abs());
            let landed = target.landed().paths();
            assert!((5..11).contains(&landed.len()), "{landed:?}");
            let failed = format!("f{}", landed.len());
            assert_eq!(answer.last_name(), Some(failed.as_bytes()));
            for name in landed {
                let found = fs::read(target.incoming().join(name)).expect("it has landed");
                assert!(found == content);
            }
            target.assert_sentinels();
        });
    }
}

fn a_disk_that_fills_up_within_a_file_leaves_nothing_of_it(form: Form) {
    on_small_disk(form, "", |target| {
        let stream = Stream::new().file("x", vec![b'x'; 3 * MEBIBYTE]).end();
        target.assert_refuses(&["--no-space-check"], &stream, ENOSPC, Some(b"x"), &[]);
        // And its space is free again.
        let stream = Stream::new().file("y", vec![b'y'; MEBIBYTE / 2]).end();
        target.assert_accepts(&[], &stream, &["y"]);
    });
}

fn a_disk_without_inodes_is_reported_with_the_name(form: Form) {
    let attacks = [
        (Stream::new().file("x", ""), "x"),
        (Stream::new().folder("x"), "x"),
        (Stream::new().link("d/l", "x"), "d/l"),
    ];
    for (attack, name) in attacks {
        // The root, `incoming`, `d` and `kept`.
        on_small_disk(form, ",nr_inodes=4", |target| {
            let start = Stream::new().folder("d").file("kept", "content");
            let stream = start.bytes(attack.as_bytes()).end();
            let name = Some(name.as_bytes());
            target.assert_refuses(&[], &stream, ENOSPC, name, &["d", "kept"]);
        });
    }
}

fn the_limit_on_files_stops_the_copy_there(form: Form) {
    let options = ["--max-files=3"];
    let three = Stream::new()
        .file("a", "")
        .folder("d")
        .link("d/l", "x")
        .folder("d");
    let landed = ["a", "d", "d/l"];
    Target::new(form).assert_accepts(&options, &three.clone().end(), &landed);
    for (fourth, name) in [
        (Stream::new().file("x", ""), "x"),
        (Stream::new().folder("x"), "x"),
        (Stream::new().link("d/m", "x"), "d/m"),
    ] {
        let stream = three.clone().bytes(fourth.as_bytes()).end();
        let name = Some(name.as_bytes());
        Target::new(form).assert_refuses(&options, &stream, EDQUOT, name, &landed);
    }
}

fn the_limit_on_bytes_stops_the_copy_there(form: Form) {
    let content = vec![b'x'; 1000];
    let all = (0..10).fold(Stream::new(), |all, number| {
        all.file(format!("f{number}"), &content)
    });
    let stream = all.end();
    let landed: Vec<String> = (0..4).map(|number| format!("f{number}")).collect();
    let landed: Vec<&str> = landed.iter().map(String::as_str).collect();
    let options = ["--max-bytes=4999"];
    Target::new(form).assert_refuses(&options, &stream, EDQUOT, Some(b"f4"), &landed);
}

fn a_stream_that_comes_one_byte_at_a_time_is_a_stream(form: Form) {
    let target = Target::new(form);
    let stream = Stream::new()
        .folder("d")
        .file("d/f", "the content of a file")
        .link("d/l", "f")
        .folder("d")
        .end();
    let mut receiver = Watched::start(target.command(&[]));
    let (last, others) = stream.as_bytes().split_last().expect("there are bytes");
    for byte in others {
        receiver.send_and_settle(&Stream::new().bytes(&[*byte]));
    }
    receiver
        .finish(&Stream::new().bytes(&[*last]))
        .assert_confirmed(stream.checksum());
    target.assert_landed(&["d", "d/f", "d/l"]);
    let content = fs::read(target.incoming().join("d/f")).expect("it has landed");
    assert_eq!(content, b"the content of a file");
}

fn a_sender_that_stops_is_waited_for_and_leaves_nothing_incomplete(form: Form) {
    let start = Stream::new().file("kept", "complete").folder("d");
    let long = vec![b'x'; 100_000];
    let file = Stream::new().file("d/f", &long);
    let link = Stream::new().link("d/l", "target");
    for stops in [
        &file.as_bytes()[..0],    // between two entries
        &file.as_bytes()[..17],   // in a header
        &file.as_bytes()[..34],   // in a name
        &file.as_bytes()[..36],   // before the content
        &file.as_bytes()[..5000], // in the content
        &file.as_bytes()[..100_035],
        &link.as_bytes()[..38], // in a target
    ] {
        for signal in [Signal::KILL, Signal::TERM] {
            let target = Target::new(form);
            let mut receiver = Watched::start(target.command(&[]));
            receiver.send_and_settle(&start.clone().bytes(stops));
            target.assert_landed(&["d", "kept"]);
            let finished = receiver.end_by(signal);
            assert_eq!(finished.code(), 128 + signal.as_raw());
            target.assert_landed(&["d", "kept"]);
        }
        // The same, and the connection breaks.
        let target = Target::new(form);
        let mut receiver = Watched::start(target.command(&[]));
        receiver.send_and_settle(&start.clone().bytes(stops));
        let answer = receiver.finish(&Stream::new());
        let code = if stops.len() < 32 { 121 } else { LEGAL_EOF };
        answer.assert_refused(code);
        target.assert_landed(&["d", "kept"]);
    }
}

/// How much more memory a receiver may have used in the end than after its first thousand files,
/// in KiB: noise of its allocator.
const NOISE: u64 = 256;

fn a_hundred_thousand_empty_files_take_no_memory(form: Form) {
    Target::in_memory(form, receive_a_hundred_thousand_files);
}

fn receive_a_hundred_thousand_files(target: &Target) {
    let mut receiver = Watched::start(target.command(&[]));
    let mut after_the_first_thousand = 0;
    for folder in 0..100 {
        let start = Stream::new().folder(format!("d{folder}"));
        let thousand = (0..1000).fold(start, |stream, number| {
            stream.file(format!("d{folder}/file-{number}"), "")
        });
        receiver.send_and_settle(&thousand.folder(format!("d{folder}")));
        if folder == 0 {
            after_the_first_thousand = receiver.peak_memory();
        }
    }
    let more = receiver.peak_memory() - after_the_first_thousand;
    assert!(more <= NOISE, "{more} KiB more");
    let finished = receiver.end_by(Signal::KILL);
    assert_eq!(finished.code(), 137);
    assert_eq!(count(&target.incoming()), 100_100);
    target.assert_sentinels();
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("it can be read");
    entries
        .map(|entry| entry.expect("it can be listed"))
        .map(
            |entry| match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => 1 + count(&entry.path()),
                false => 1,
            },
        )
        .sum()
}

fn a_large_file_takes_no_memory(form: Form) {
    let target = Target::new(form);
    let mut receiver = Watched::start(target.command(&[]));
    receiver.send_and_settle(&Stream::new().file("first", vec![b'x'; MEBIBYTE]));
    let before = receiver.peak_memory();
    let rest = Stream::new().file("large", vec![b'x'; 64 * MEBIBYTE]);
    receiver.send_and_settle(&rest);
    let more = receiver.peak_memory() - before;
    assert!(more <= NOISE, "{more} KiB more");
    assert_eq!(receiver.end_by(Signal::KILL).code(), 137);
    target.assert_landed(&["first", "large"]);
}

fn a_name_of_4_gib_takes_no_memory(form: Form) {
    // Less address space than the name asks for: whoever believes it cannot even begin.
    let target = Target::new(form);
    let mut command = form.started_by(&["prlimit", "--as=1000000000"]);
    command.arg("").arg(target.incoming());
    let header = RawEntry::new(FILE | 0o644, "x", "").with(|entry| {
        entry.name_len = u32::MAX;
        entry.name.clear();
    });
    let mut receiver = Watched::start(command);
    let stream = Stream::new().file("kept", "").entry(&header);
    receiver.send(stream.as_bytes()).expect("it is read");
    let answer = receiver.finish(&Stream::new());
    answer.assert_refused(libc::ENAMETOOLONG.unsigned_abs());
    target.assert_landed(&["kept"]);
}
