//! What ends a stream: a cut, a field out of its range; and what just does not.

use qfile_proto::Refusal;

use crate::decoded::decoded;
use crate::golden::{STREAM, golden_bytes};

#[test]
fn a_stream_that_is_cut_anywhere_is_known_as_cut() {
    let whole = golden_bytes();
    let mut ends = vec![0];
    for golden in &STREAM {
        ends.push(ends.last().unwrap() + golden.bytes().len());
    }
    for cut in 0..whole.len() {
        let (entries, end) = decoded(&whole[..cut]);
        let complete = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(entries.len(), complete, "cut at {cut}");
        let (refusal, last_name) = end.unwrap_err();
        let inside = cut - ends[complete];
        let current = STREAM.get(complete);
        let (expected, expected_name): (_, &[u8]) = match current {
            // Inside the content: the entry is named. Inside the name: nothing is.
            Some(golden) if inside > 32 + golden.name.len() => (Refusal::EndedEarly, golden.name),
            Some(_) if inside >= 32 => (Refusal::EndedEarly, b""),
            // Between two entries or inside a header: the entry before is named.
            _ => (
                Refusal::StreamCut,
                complete
                    .checked_sub(1)
                    .map_or(b"", |last| STREAM[last].name),
            ),
        };
        assert_eq!(refusal, expected, "cut at {cut}");
        assert_eq!(last_name, expected_name, "cut at {cut}");
    }
    assert_eq!(decoded(&whole).1, Ok(()));
}

/// A stream of one entry, from the fields of its header.
fn one_entry(
    name_len: u32,
    mode: u32,
    file_len: u64,
    nanoseconds: [u32; 2],
    rest: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&name_len.to_le_bytes());
    bytes.extend_from_slice(&mode.to_le_bytes());
    bytes.extend_from_slice(&file_len.to_le_bytes());
    for nanoseconds in nanoseconds {
        bytes.extend_from_slice(&1_u32.to_le_bytes());
        bytes.extend_from_slice(&nanoseconds.to_le_bytes());
    }
    bytes.extend_from_slice(rest);
    bytes
}

#[test]
fn a_field_out_of_its_range_ends_the_stream() {
    const FILE: u32 = 0o100_644;
    let name = |name: &[u8]| name.to_vec();
    let long = vec![b'a'; 20_000];
    let table: [(&str, Vec<u8>, Refusal, Vec<u8>); 20] = [
        (
            "no type",
            one_entry(2, 0o644, 0, [0; 2], b"x\0"),
            Refusal::BadField,
            name(b"x"),
        ),
        (
            "fifo",
            one_entry(2, 0o010_644, 0, [0; 2], b"x\0"),
            Refusal::BadField,
            name(b"x"),
        ),
        (
            "character device",
            one_entry(2, 0o020_644, 0, [0; 2], b"x\0"),
            Refusal::BadField,
            name(b"x"),
        ),
        (
            "block device",
            one_entry(2, 0o060_644, 0, [0; 2], b"x\0"),
            Refusal::BadField,
            name(b"x"),
        ),
        (
            "socket",
            one_entry(2, 0o140_644, 0, [0; 2], b"x\0"),
            Refusal::BadField,
            name(b"x"),
        ),
        (
            "every type bit",
            one_entry(2, 0o170_644, 0, [0; 2], b"x\0"),
            Refusal::BadField,
            name(b"x"),
        ),
        (
            "atime",
            one_entry(2, FILE, 0, [1_000_000_000, 0], b"x\0"),
            Refusal::BadField,
            name(b"x"),
        ),
        (
            "mtime",
            one_entry(2, FILE, 0, [0, 1_000_000_000], b"x\0"),
            Refusal::BadField,
            name(b"x"),
        ),
        (
            "mtime, all bits",
            one_entry(2, FILE, 0, [0, u32::MAX], b"x\0"),
            Refusal::BadField,
            name(b"x"),
        ),
        (
            "folder with content",
            one_entry(2, 0o040_755, 1, [0; 2], b"x\0c"),
            Refusal::BadField,
            name(b"x"),
        ),
        (
            "long target",
            one_entry(2, 0o120_777, 16_384, [0; 2], b"x\0"),
            Refusal::NameTooLong,
            name(b"x"),
        ),
        (
            "2^63",
            one_entry(2, FILE, 1 << 63, [0; 2], b"x\0"),
            Refusal::LimitReached,
            name(b"x"),
        ),
        (
            "2^64-1",
            one_entry(2, FILE, u64::MAX, [0; 2], b"x\0"),
            Refusal::LimitReached,
            name(b"x"),
        ),
        (
            "2^63-1",
            one_entry(2, FILE, (1 << 63) - 1, [0; 2], b"x\0"),
            Refusal::EndedEarly,
            name(b"x"),
        ),
        (
            "name of 16384",
            one_entry(16_384, FILE, 0, [0; 2], &long),
            Refusal::NameTooLong,
            name(b""),
        ),
        (
            "name of 2^32-1",
            one_entry(u32::MAX, FILE, 0, [0; 2], &long),
            Refusal::NameTooLong,
            name(b""),
        ),
        (
            "16383 without NUL",
            one_entry(16_383, FILE, 0, [0; 2], &long),
            Refusal::NameTooLong,
            name(b""),
        ),
        (
            "NUL inside",
            one_entry(4, FILE, 0, [0; 2], b"x\0y\0"),
            Refusal::ForbiddenName,
            name(b"x"),
        ),
        (
            "NUL in front",
            one_entry(3, FILE, 0, [0; 2], b"\0x\0"),
            Refusal::ForbiddenName,
            name(b""),
        ),
        (
            "bad type of a bad name",
            one_entry(4, 0, 0, [0; 2], b"x\0y\0"),
            Refusal::ForbiddenName,
            name(b"x"),
        ),
    ];
    for (what, stream, refusal, last_name) in table {
        let (entries, end) = decoded(&stream);
        assert!(entries.is_empty(), "{what}");
        assert_eq!(end, Err((refusal, last_name)), "{what}");
    }
}

#[test]
fn a_name_ends_at_its_first_nul_or_at_its_length() {
    for (name_len, sent, expected) in [
        (1, &b"x"[..], &b"x"[..]),
        (2, b"x\0", b"x"),
        (5, b"x\0\0\0\0", b"x"),
        (1, b"\0", b""),
    ] {
        let stream = [one_entry(name_len, 0o100_644, 0, [0; 2], sent), vec![0; 32]].concat();
        let (entries, end) = decoded(&stream);
        assert_eq!(entries, [(expected.to_vec(), Vec::new())]);
        assert_eq!(end, Ok(()));
    }
}

#[test]
fn the_longest_name_and_the_longest_target_pass() {
    let name = [vec![b'n'; 16_382], vec![0]].concat();
    let target = vec![b't'; 16_383];
    let rest = [&name[..], &target].concat();
    let stream = [
        one_entry(16_383, 0o120_777, 16_383, [0; 2], &rest),
        vec![0; 32],
    ]
    .concat();
    let (entries, end) = decoded(&stream);
    assert_eq!(end, Ok(()));
    assert_eq!(entries, [(vec![b'n'; 16_382], target)]);
}

#[test]
fn the_last_nanosecond_of_a_second_passes() {
    let last = [999_999_999; 2];
    let stream = [one_entry(2, 0o100_644, 0, last, b"x\0"), vec![0; 32]].concat();
    assert_eq!(decoded(&stream).1, Ok(()));
}

#[test]
fn only_a_name_of_length_0_ends_the_stream() {
    let mut end = vec![0xFF; 32];
    end[..4].fill(0);
    assert_eq!(decoded(&end), (Vec::new(), Ok(())));
}
