//! Attacks by lengths: fields that promise more, less or something else than what comes.

use std::fs;

use libc::{EDQUOT, EINVAL, ENAMETOOLONG, ENOSPC, EREMOTEIO};
use qfile_tests::attack::Target;
use qfile_tests::attacks;
use qfile_tests::code::LEGAL_EOF;
use qfile_tests::peer::{Joint, converse};
use qfile_tests::receiver::Form;
use qfile_tests::stream::{FILE, FOLDER, LINK, RawEntry, Stream, Verdict};

attacks! {
    a_folder_with_content_is_refused;
    a_link_target_of_16383_bytes_is_refused_by_the_system;
    a_link_target_of_16384_bytes_is_refused_before_it_is_read;
    a_link_target_of_4095_bytes_lands;
    a_file_longer_than_the_disk_is_refused_at_its_header;
    a_file_length_above_i64_max_is_refused_at_its_header;
    sums_that_pass_the_limit_are_refused_at_the_header;
    sums_that_would_overflow_are_refused;
    more_bytes_than_promised_are_no_entry;
    fewer_bytes_than_promised_are_no_file;
    an_end_at_every_byte_leaves_only_complete_files;
    an_end_at_every_byte_leaves_only_complete_files_on_a_socket;
    what_follows_the_end_header_does_not_count;
    an_empty_stream_is_refused;
    a_stream_of_nothing_but_its_end_is_a_success;
}

/// Sends `stream` and not a byte of the content: a receiver that begins to read it finds the end, and
/// says so.
#[track_caller]
fn assert_refused_at_once(
    target: &Target,
    options: &[&str],
    stream: &Stream,
    code: i32,
    name: &str,
) {
    let (answer, finished) = converse(target.command(options), Joint::Pipes, |side| {
        side.send(stream.as_bytes()).expect("it is read");
        side.stop_sending();
        side.rest()
    });
    let verdict = Verdict::parse(&answer).expect("there is a verdict");
    assert_eq!(verdict.code, code.unsigned_abs());
    assert_eq!(verdict.last_name.as_deref(), Some(name.as_bytes()));
    finished.assert_code(code);
}

fn a_folder_with_content_is_refused(form: Form) {
    for len in [1, 32, 1 << 32, u64::MAX] {
        let target = Target::new(form);
        let folder = RawEntry::new(FOLDER | 0o755, "d", "").with(|entry| entry.file_len = len);
        let stream = Stream::new().file("kept", "").entry(&folder);
        assert_refused_at_once(&target, &[], &stream, EINVAL, "d");
        target.assert_landed(&["kept"]);
    }
    // A receiver that passed over the content would take this for an entry.
    let hidden = Stream::new().file("hidden", "");
    let folder = RawEntry::new(FOLDER | 0o755, "d", hidden.as_bytes());
    let stream = Stream::new().entry(&folder).end();
    Target::new(form).assert_refuses(&[], &stream, EINVAL, Some(b"d"), &[]);
}

fn a_link_target_of_16383_bytes_is_refused_by_the_system(form: Form) {
    for len in [4096, 16_383] {
        let stream = Stream::new()
            .folder("d")
            .link("d/l", vec![b'x'; len])
            .file("after", "")
            .end();
        Target::new(form).assert_refuses(&[], &stream, ENAMETOOLONG, Some(b"d/l"), &["d"]);
    }
}

fn a_link_target_of_16384_bytes_is_refused_before_it_is_read(form: Form) {
    for len in [16_384, 1 << 32, u64::MAX] {
        let target = Target::new(form);
        let link = RawEntry::new(LINK | 0o777, "d/l", "").with(|entry| entry.file_len = len);
        let stream = Stream::new().folder("d").entry(&link);
        assert_refused_at_once(&target, &[], &stream, ENAMETOOLONG, "d/l");
        target.assert_landed(&["d"]);
    }
}

fn a_link_target_of_4095_bytes_lands(form: Form) {
    let target = Target::new(form);
    let stream = Stream::new()
        .folder("d")
        .link("d/l", vec![b'x'; 4095])
        .end();
    // The longest that Linux has; not every file system has it.
    let answer = target.receive(&[], &stream);
    match answer.finished.code() {
        0 => target.assert_landed(&["d", "d/l"]),
        code => assert_eq!(code, ENAMETOOLONG),
    }
}

fn file_of(len: u64) -> RawEntry {
    RawEntry::new(FILE | 0o644, "x", "").with(|entry| entry.file_len = len)
}

fn a_file_longer_than_the_disk_is_refused_at_its_header(form: Form) {
    for len in [1 << 60, i64::MAX.unsigned_abs()] {
        let target = Target::new(form);
        let stream = Stream::new().file("kept", "").entry(&file_of(len));
        assert_refused_at_once(&target, &[], &stream, ENOSPC, "x");
        target.assert_landed(&["kept"]);
    }
}

fn a_file_length_above_i64_max_is_refused_at_its_header(form: Form) {
    for options in [&[][..], &["--no-space-check"]] {
        for len in [1 << 63, (1 << 63) + 1, u64::MAX] {
            let target = Target::new(form);
            let stream = Stream::new().file("kept", "").entry(&file_of(len));
            assert_refused_at_once(&target, options, &stream, EDQUOT, "x");
            target.assert_landed(&["kept"]);
        }
    }
}

fn sums_that_pass_the_limit_are_refused_at_the_header(form: Form) {
    let target = Target::new(form);
    let stream = Stream::new().file("a", "123456").entry(&file_of(5));
    assert_refused_at_once(&target, &["--max-bytes=10"], &stream, EDQUOT, "x");
    target.assert_landed(&["a"]);

    let exactly = Stream::new()
        .file("a", "123456")
        .file("b", "7890")
        .file("c", "")
        .end();
    Target::new(form).assert_accepts(&["--max-bytes=10"], &exactly, &["a", "b", "c"]);
}

fn sums_that_would_overflow_are_refused(form: Form) {
    let limit = format!("--max-bytes={}", u64::MAX);
    for before in ["1", "12"] {
        let target = Target::new(form);
        let stream = Stream::new()
            .file("a", before)
            .entry(&file_of(i64::MAX.unsigned_abs()));
        let answer = target.receive(&[&limit, "--no-space-check"], &stream);
        // Content is counted as the system counts it, in an `off_t`.
        answer.assert_refused(EDQUOT.unsigned_abs());
        target.assert_landed(&["a"]);
    }
}

fn more_bytes_than_promised_are_no_entry(form: Form) {
    let target = Target::new(form);
    let entry = RawEntry::new(FILE | 0o644, "x", "complete").with(|entry| {
        entry.content.extend_from_slice(&[0xFF; 64]);
    });
    let answer = target.receive(&[], &Stream::new().entry(&entry).end());
    answer.assert_refused(ENAMETOOLONG.unsigned_abs());
    assert_eq!(answer.last_name(), None);
    target.assert_landed(&["x"]);
    assert!(fs::read(target.incoming().join("x")).is_ok_and(|content| content == b"complete"));
}

fn fewer_bytes_than_promised_are_no_file(form: Form) {
    let short = RawEntry::new(FILE | 0o644, "x", "short").with(|entry| entry.file_len = 1000);
    let stream = Stream::new()
        .file("kept", "")
        .entry(&short)
        .file("y", "")
        .end();
    let target = Target::new(form);
    let answer = target.receive(&[], &stream);
    answer.assert_refused(LEGAL_EOF);
    assert_eq!(answer.last_name(), Some(&b"x"[..]));
    target.assert_landed(&["kept"]);
}

/// A file, a folder with a file and a link in it.
fn small_stream() -> [Stream; 6] {
    [
        Stream::new().file("a", "first file"),
        Stream::new().folder("d"),
        Stream::new().file("d/f", "in it"),
        Stream::new().link("d/l", "f"),
        Stream::new().folder("d"),
        Stream::new().end(),
    ]
}

/// What is in the incoming folder after each part of [`small_stream`].
const LANDED: [&[&str]; 6] = [
    &[],
    &["a"],
    &["a", "d"],
    &["a", "d", "d/f"],
    &["a", "d", "d/f", "d/l"],
    &["a", "d", "d/f", "d/l"],
];

fn assert_every_end(form: Form, joint: Joint, step: usize) {
    let parts = small_stream();
    let whole = parts
        .iter()
        .fold(Stream::new(), |all, part| all.bytes(part.as_bytes()));
    let mut start = 0;
    for (part, landed) in parts.iter().zip(LANDED) {
        let part_len = part.as_bytes().len();
        for cut in (0..part_len).step_by(step) {
            let target = Target::new(form);
            let stream = &whole.as_bytes()[..start + cut];
            let answer = qfile_tests::peer::feed(target.command(&[]), joint, stream);
            match cut {
                0..32 => answer.assert_refused(EREMOTEIO.unsigned_abs()),
                _ => answer.assert_refused(LEGAL_EOF),
            }
            target.assert_landed(landed);
        }
        start += part_len;
    }
}

fn an_end_at_every_byte_leaves_only_complete_files(form: Form) {
    assert_every_end(form, Joint::Pipes, 1);
}

fn an_end_at_every_byte_leaves_only_complete_files_on_a_socket(form: Form) {
    assert_every_end(form, Joint::OneSocket, 7);
}

fn what_follows_the_end_header_does_not_count(form: Form) {
    let stream = Stream::new().file("x", "").end();
    let answer = {
        let target = Target::new(form);
        let with_more = stream.clone().file("late", "").bytes(&[0xFF; 100]).end();
        let answer = target.receive(&[], &with_more);
        target.assert_landed(&["x"]);
        answer
    };
    answer.assert_confirmed(stream.checksum());
}

fn an_empty_stream_is_refused(form: Form) {
    Target::new(form).assert_refuses(&[], &Stream::new(), EREMOTEIO, None, &[]);
}

fn a_stream_of_nothing_but_its_end_is_a_success(form: Form) {
    Target::new(form).assert_accepts(&[], &Stream::new().end(), &[]);
}
