use std::io::Cursor;

use super::*;
use crate::input::{Flowing, Seekable};
use crate::testing::{Archive, record};

/// The members and their content, read to the end or to a fault.
fn read(input: impl Input) -> (Vec<(Member, Vec<u8>)>, Option<ArchiveError>) {
    let mut members = Members::new(input);
    let mut all = Vec::new();
    while let Some(member) = members.next() {
        let member = match member {
            Ok(member) => member,
            Err(fault) => return (all, Some(fault)),
        };
        let mut content = Vec::new();
        loop {
            match members.content() {
                Ok(Some(bytes)) => content.extend_from_slice(bytes),
                Ok(None) => break,
                Err(fault) => return (all, Some(fault)),
            }
        }
        all.push((member, content));
    }
    (all, None)
}

fn fault_of(archive: &Archive) -> ArchiveError {
    let (_, fault) = read(Flowing::new(&archive.0[..]));
    fault.expect("something is wrong with it")
}

/// The only member.
fn only(archive: Archive) -> Member {
    let (members, fault) = read(Flowing::new(&archive.end().0[..]));
    assert!(fault.is_none(), "{fault:?}");
    let [(member, _)] = <[_; 1]>::try_from(members).expect("one member");
    member
}

fn at(seconds: u32, nanoseconds: u32) -> Timestamp {
    Timestamp {
        seconds,
        nanoseconds,
    }
}

#[test]
fn members_come_with_their_content() {
    let long = vec![7; 1_000_000];
    let archive = Archive::new()
        .file("empty", b"")
        .member(b'5', "folder/", b"")
        .file("folder/block", &[1; 512])
        .file("folder/long", &long)
        .end();
    let (members, fault) = read(Flowing::new(&archive.0[..]));
    assert!(fault.is_none(), "{fault:?}");
    let (same, _) = read(Seekable::new(Cursor::new(&archive.0)));
    assert_eq!(members, same);
    let seen: Vec<_> = members
        .iter()
        .map(|(member, content)| (&member.untrusted_name[..], member.kind, content.len()))
        .collect();
    assert_eq!(
        seen,
        [
            (&b"empty"[..], Kind::File, 0),
            (b"folder/", Kind::Empty, 0),
            (b"folder/block", Kind::File, 512),
            (b"folder/long", Kind::File, 1_000_000),
        ]
    );
    assert_eq!(members[3].1, long);
    let (first, _) = &members[0];
    assert_eq!(
        (first.mode, first.mtime, first.atime),
        (0o640, at(1_000_000_000, 0), at(1_000_000_000, 0))
    );
}

#[test]
fn content_that_is_not_asked_for_is_left_out() {
    let archive = Archive::new()
        .file("a", &[1; 1000])
        .file("b", &[2; 700])
        .file("c", b"x")
        .end();
    let mut members = Members::new(Seekable::new(Cursor::new(&archive.0)));
    assert_eq!(members.next().unwrap().unwrap().untrusted_name, b"a");
    assert!(members.content().unwrap().is_some());
    for name in [b"b", b"c"] {
        assert_eq!(members.next().unwrap().unwrap().untrusted_name, name);
    }
    assert!(members.next().is_none());
}

#[test]
fn every_kind_is_known_by_its_letter() {
    for (letter, name, kind) in [
        (b'0', "a", Kind::File),
        (0, "a", Kind::File),
        (b'7', "a", Kind::File),
        (0, "a/", Kind::Empty),
        (b'0', "a/", Kind::Empty),
        (b'7', "a/", Kind::Empty),
        (b'1', "a", Kind::HardLink),
        (b'2', "a", Kind::Symlink),
        (b'3', "a", Kind::Empty),
        (b'4', "a", Kind::Empty),
        (b'5', "a", Kind::Empty),
        (b'6', "a", Kind::Empty),
        (b'S', "a", Kind::Sparse),
        (b'M', "a", Kind::Continued),
        (b'D', "a", Kind::Unknown),
        (b'Z', "a", Kind::Unknown),
    ] {
        assert_eq!(
            only(Archive::new().member(letter, name, b"")).kind,
            kind,
            "{letter}"
        );
    }
    assert_eq!(
        only(Archive::new().member(b'V', "volume", b"").file("a", b"")).untrusted_name,
        b"a"
    );
}

#[test]
fn a_long_name_goes_before_its_member_in_both_ways() {
    let long = "n".repeat(300);
    let gnu = Archive::new()
        .member(b'K', "", b"target\0")
        .member(b'L', "././@LongLink", format!("{long}\0").as_bytes())
        .file("cut", b"x");
    let pax = Archive::new().records(&[("path", &long)]).file("cut", b"x");
    for archive in [gnu, pax] {
        assert_eq!(only(archive).untrusted_name, long.as_bytes());
    }
    let mut ustar = Archive::new().file("name", b"x");
    ustar.0.truncate(512);
    let ustar = ustar.patch(345, b"prefix/of/it").content(b"x");
    assert_eq!(only(ustar).untrusted_name, b"prefix/of/it/name");
}

#[test]
fn records_say_more_than_the_header_and_the_length_of_the_content_too() {
    let archive = Archive::new()
        .member(b'g', "global", record("atime", "1234567890").as_bytes())
        .records(&[("mtime", "1700000000.25"), ("size", "600")])
        .header(b'0', b"a", b"00000000000")
        .content(&[3; 600])
        .file("b", b"x")
        .end();
    let (members, fault) = read(Flowing::new(&archive.0[..]));
    assert!(fault.is_none(), "{fault:?}");
    let [(a, content), (b, _)] = &members[..] else {
        panic!("two members: {members:?}")
    };
    assert_eq!((a.len, content.len()), (600, 600));
    assert_eq!(
        (a.mtime, a.atime),
        (at(1_700_000_000, 250_000_000), at(1_234_567_890, 0))
    );
    assert_eq!(
        (b.mtime, b.atime),
        (at(1_000_000_000, 0), at(1_234_567_890, 0))
    );
}

#[test]
fn times_that_a_stream_cannot_carry_become_the_nearest() {
    let before = only(Archive::new().records(&[("mtime", "-1.5")]).file("a", b""));
    assert_eq!((before.mtime, before.is_clamped), (at(0, 0), true));
    let after = only(
        Archive::new()
            .records(&[("mtime", "99999999999")])
            .file("a", b""),
    );
    assert_eq!((after.mtime, after.is_clamped), (Timestamp::MAX, true));
    let binary = Archive::new()
        .header(b'0', b"a", b"0")
        .patch(136, &[0xFF; 12]);
    assert_eq!(only(binary).mtime, at(0, 0));
    let stored = Archive::new()
        .header(b'0', b"a", b"0")
        .patch(257, b"ustar  \0")
        .patch(345, b"07346545001\0");
    assert_eq!(only(stored).atime, at(1_000_000_001, 0));
}

#[test]
fn archives_one_after_the_other_are_one() {
    let archive = Archive::new()
        .file("a", b"1")
        .end()
        .content(&[0; 4096])
        .file("b", b"2")
        .end();
    let (members, fault) = read(Flowing::new(&archive.0[..]));
    assert!(fault.is_none(), "{fault:?}");
    assert_eq!(members.len(), 2);
}

#[test]
fn zeros_without_end_are_no_end() {
    let archive = Archive::new().file("a", b"1");
    let endless = std::io::Read::chain(&archive.0[..], std::io::repeat(0));
    let (members, fault) = read(Flowing::new(endless));
    assert!(matches!(fault, Some(ArchiveError::Zeros(_))), "{fault:?}");
    assert_eq!(members.len(), 1);
    // As many as padding may have.
    let padding = std::io::Read::take(std::io::repeat(0), (MAX_ZERO_BLOCKS * BLOCK_LEN) as u64);
    let (members, fault) = read(Flowing::new(std::io::Read::chain(&archive.0[..], padding)));
    assert!(fault.is_none(), "{fault:?}");
    assert_eq!(members.len(), 1);
}

#[test]
fn a_file_is_no_folder_because_its_name_was_cut_behind_a_slash() {
    let cut = format!("{}/", "d".repeat(99));
    let whole = format!("{cut}file");
    let gnu = |name: &str| Archive::new().member(b'L', "", format!("{name}\0").as_bytes());
    for extended in [
        gnu(&whole),
        Archive::new().records(&[("path", whole.as_str())]),
    ] {
        let member = only(extended.member(0, &cut, b"x"));
        assert_eq!(member.kind, Kind::File);
        assert_eq!(member.untrusted_name, whole.as_bytes());
    }
    let folder = only(gnu(&format!("{whole}/")).member(0, &whole[..100], b""));
    assert_eq!(folder.kind, Kind::Empty);
}

#[test]
fn an_archive_may_have_a_label_and_no_member() {
    for letter in [b'V', b'g'] {
        let label = Archive::new().member(letter, "label", b"").end();
        let (members, fault) = read(Flowing::new(&label.0[..]));
        assert!(fault.is_none(), "{fault:?}");
        assert!(members.is_empty());
    }
}

#[test]
fn an_archive_that_is_cut_anywhere_is_known_as_such() {
    let whole = Archive::new()
        .records(&[("path", "renamed")])
        .file("a", &[1; 1000])
        .member(b'L', "", b"long\0")
        .file("b", b"2")
        .end();
    for len in 0..whole.0.len() - 1024 + 1 {
        for fault in [
            read(Flowing::new(&whole.0[..len])).1,
            read(Seekable::new(Cursor::new(&whole.0[..len]))).1,
        ] {
            assert!(
                matches!(fault, Some(ArchiveError::Cut(_))),
                "{len}: {fault:?}"
            );
        }
    }
    // A block of zeros is all that an end needs.
    assert!(
        read(Flowing::new(&whole.0[..whole.0.len() - 512]))
            .1
            .is_none()
    );
}

#[test]
fn a_member_that_is_sought_over_is_not_beyond_the_end() {
    let mut archive = Archive::new()
        .file("a", b"")
        .header(b'0', b"b", b"77777777777");
    archive.0.extend_from_slice(&[1; 5000]);
    let mut members = Members::new(Seekable::new(Cursor::new(&archive.0)));
    assert!(members.next().unwrap().is_ok());
    assert!(members.next().unwrap().is_ok());
    let Some(Err(ArchiveError::Cut(Some(name)))) = members.next() else {
        panic!("it is cut")
    };
    assert_eq!(name, b"b");
}

#[test]
fn what_is_no_archive_is_said_to_be_none() {
    let short = Archive(b"\x1f\x8b\x08".to_vec());
    assert!(matches!(
        fault_of(&short),
        ArchiveError::NotAnArchive(Some("gzip"))
    ));
    for (bytes, program) in [
        (&b"\x1f\x8b\x08"[..], Some("gzip")),
        (b"\xfd7zXZ\0", Some("xz")),
        (b"\x28\xb5\x2f\xfd", Some("zstd")),
        (b"#!/bin/sh\n", None),
    ] {
        let fault = fault_of(&Archive::new().content(bytes));
        assert!(
            matches!(fault, ArchiveError::NotAnArchive(found) if found == program),
            "{fault:?}"
        );
    }
}

#[test]
fn a_damaged_header_is_never_passed_over() {
    let good = Archive::new().file("first", b"").file("a", b"x").end();
    for byte in 512..1024 {
        let mut bad = good.clone();
        bad.0[byte] ^= 1;
        let fault = read(Flowing::new(&bad.0[..])).1;
        // A blank behind the NUL that ends the checksum means nothing.
        let counts = byte != 512 + 155;
        assert_eq!(
            matches!(fault, Some(ArchiveError::Header(512))),
            counts,
            "{byte}: {fault:?}"
        );
    }
}

#[test]
fn a_field_that_is_empty_is_0() {
    let volume = Archive::new()
        .header(b'V', b"label", b"")
        .header(b'M', b"rest", b"00000000001")
        .patch(100, &[0; 8])
        .patch(136, &[0; 12])
        .content(b"x");
    let member = only(volume);
    assert_eq!((member.kind, member.len), (Kind::Continued, 1));
    assert_eq!((member.mode, member.mtime), (0, at(0, 0)));
}

#[test]
fn a_length_that_cannot_be_is_refused() {
    for size in [
        &b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..],
        b"\x80\0\0\0\x80\0\0\0\0\0\0\0",
        b"\x80\0\0\x01\0\0\0\0\0\0\0\x05",
        b"\xC0\0\0\0\0\0\0\0\0\0\0\x05",
        b"-0000000001",
        b"00000000009",
        b"xxxxxxxxxxx",
    ] {
        let fault = fault_of(&Archive::new().header(b'0', b"a", size));
        assert!(
            matches!(fault, ArchiveError::Header(0)),
            "{size:?}: {fault:?}"
        );
    }
    let huge = Archive::new().header(b'0', b"a", b"\x80\0\0\0\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF");
    for fault in [
        read(Flowing::new(&huge.0[..])).1,
        read(Seekable::new(Cursor::new(&huge.0))).1,
    ] {
        assert!(matches!(fault, Some(ArchiveError::Cut(_))), "{fault:?}");
    }
}

#[test]
fn what_is_no_file_has_no_content() {
    for letter in [b'1', b'2', b'3', b'4', b'5', b'6'] {
        let fault = fault_of(&Archive::new().member(letter, "a", b"0123456789").end());
        assert!(
            matches!(fault, ArchiveError::Content(_)),
            "{letter}: {fault:?}"
        );
    }
    let by_records = Archive::new()
        .records(&[("size", "1")])
        .header(b'5', b"a", b"0")
        .content(b"x");
    assert!(matches!(
        fault_of(&by_records.end()),
        ArchiveError::Content(_)
    ));
}

/// Bytes that end in a fault if the size that the records give to the next file goes to them.
#[test]
fn a_size_in_records_is_that_of_the_file_and_of_nothing_between() {
    let archive = Archive::new()
        .records(&[("size", "1024")])
        .member(b'L', "", b"name\0")
        .header(b'0', b"x", b"0")
        .content(&[5; 1024])
        .end();
    let member = only(Archive(archive.0[..archive.0.len() - 1024].to_vec()));
    assert_eq!(
        (&member.untrusted_name[..], member.len),
        (&b"name"[..], 1024)
    );
}

#[test]
fn extensions_have_limits() {
    let huge = format!("{:011o}", extension::MAX_LEN + 1);
    let long = |letter| Archive::new().header(letter, b"", huge.as_bytes());
    let twice = |letter: u8| {
        Archive::new()
            .member(letter, "", b"")
            .member(letter, "", b"")
            .file("a", b"")
    };
    let both = Archive::new()
        .member(b'L', "", b"a\0")
        .records(&[("path", "b")])
        .file("c", b"");
    let chain = (0..1000).fold(Archive::new(), |archive, _| archive.member(b'g', "", b""));
    let dangling = Archive::new().records(&[("path", "b")]);
    for (archive, what) in [
        (long(b'L'), "a long name"),
        (long(b'x'), "long records"),
        (long(b'g'), "long records for all"),
        (twice(b'L'), "two names"),
        (twice(b'x'), "two sets of records"),
        (both, "two names in two ways"),
        (chain, "nothing but records"),
        (dangling, "records of nothing"),
        (Archive::new().member(b'x', "", b"nonsense"), "no records"),
    ] {
        let fault = fault_of(&archive.end());
        assert!(
            matches!(fault, ArchiveError::Extension(_)),
            "{what}: {fault:?}"
        );
    }
}

#[test]
fn the_map_of_a_file_with_holes_is_left_out() {
    let mut map = [0; BLOCK_LEN];
    let mut archive = Archive::new()
        .header(b'S', b"holes", b"5")
        .patch(257, b"ustar  \0")
        .patch(482, &[1]);
    for goes_on in [1, 1, 0] {
        map[504] = goes_on;
        archive.0.extend_from_slice(&map);
    }
    let archive = archive.content(b"12345").file("after", b"").end();
    let (members, fault) = read(Flowing::new(&archive.0[..]));
    assert!(fault.is_none(), "{fault:?}");
    let kinds: Vec<_> = members.iter().map(|(member, _)| member.kind).collect();
    assert_eq!(kinds, [Kind::Sparse, Kind::File]);
    assert_eq!(members[0].1, b"12345");

    let endless = std::io::Read::chain(
        &archive.0[..512],
        Cursor::new([map_going_on(), map_going_on()].concat()),
    );
    assert!(matches!(
        read(Flowing::new(endless)).1,
        Some(ArchiveError::Cut(_))
    ));
}

fn map_going_on() -> [u8; BLOCK_LEN] {
    let mut map = [0; BLOCK_LEN];
    map[504] = 1;
    map
}
