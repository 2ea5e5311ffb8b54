use qfile_proto::Decoder;

use super::*;
use crate::input::Flowing;
use crate::testing::Archive;

/// A file as a header of the stream says it: name, type, permissions, length.
type Seen = (String, EntryKind, u32, u64);

fn convert_all(archive: Archive, prefixes: &[&str]) -> (Vec<Seen>, Result<Converted, Error>) {
    let archive = archive.end();
    let mut encoder = Encoder::new(Vec::new());
    let mut selection = Selection::new(prefixes.iter().map(|prefix| prefix.as_bytes().to_vec()));
    let mut members = Members::new(Flowing::new(&archive.0[..]));
    let result = convert(&mut members, &mut selection, Charset::Safe, &mut encoder);
    encoder.end().unwrap();
    let mut decoder = Decoder::with_capacity(4096, &encoder.get_ref()[..]);
    let mut seen = Vec::new();
    let mut name = Vec::new();
    while let Some(entry) = decoder.next_entry(&mut name).unwrap() {
        decoder.content(&entry, |_| Ok(())).unwrap();
        let name = String::from_utf8(name.clone()).unwrap();
        assert_eq!(entry.mtime.seconds, 1_000_000_000);
        seen.push((name, entry.kind, entry.permissions, entry.len));
    }
    (seen, result)
}

fn names(archive: Archive, prefixes: &[&str]) -> Vec<String> {
    let (seen, result) = convert_all(archive, prefixes);
    result.unwrap();
    seen.into_iter().map(|(name, ..)| name).collect()
}

#[test]
fn files_go_through_and_the_folders_above_them_once_each() {
    let archive = Archive::new()
        .member(b'5', "./", b"")
        .member(b'5', "./d/", b"")
        .file("./d/e/f", b"123")
        .file("./d/e/g", b"")
        .member(b'2', "./d/link", b"")
        .member(b'6', "./d/fifo", b"")
        .file("./d/h", b"4");
    let (seen, result) = convert_all(archive, &[]);
    let folder = |name: &str| (name.to_owned(), EntryKind::Directory, 0o640, 0);
    let file = |name: &str, len| (name.to_owned(), EntryKind::File, 0o640, len);
    assert_eq!(
        seen,
        [
            folder("d"),
            folder("d/e"),
            file("d/e/f", 3),
            file("d/e/g", 0),
            file("d/h", 1)
        ]
    );
    let converted = result.unwrap();
    assert!(converted.is_read_to_the_end);
    assert_eq!(converted.left_out.to_string(), "symbolic links left out: 1");
}

#[test]
fn prefixes_choose_and_reading_stops_behind_the_last() {
    let archive = || {
        Archive::new()
            .file("backup-header", b"h")
            .file("vm1/private.img.000", b"1")
            .file("vm2/private.img.000", b"2")
            .file("qubes.xml", b"q")
    };
    assert_eq!(names(archive(), &["backup-header"]), ["backup-header"]);
    assert_eq!(
        names(archive(), &["vm1/", "qubes"]),
        ["vm1", "vm1/private.img.000", "qubes.xml"]
    );
    // What is behind the stop may be anything.
    let mut damaged = Archive::new().file("backup-header", b"h").file("vm", b"");
    damaged.0.extend_from_slice(&[7; 512]);
    let (seen, result) = convert_all(damaged.clone(), &["backup-header"]);
    assert_eq!(seen.len(), 1);
    assert!(!result.unwrap().is_read_to_the_end);
    let (_, result) = convert_all(damaged, &["backup-header", "other"]);
    assert!(matches!(
        result,
        Err(Error::Archive(ArchiveError::Header(_)))
    ));
}

#[test]
fn a_name_that_no_receiver_takes_is_an_error_unless_it_is_not_wanted() {
    for name in [
        "/etc/passwd",
        "../a",
        "a/../b",
        "a//b",
        "a/./b",
        "\x1b[31m",
        "\u{202e}x",
        ".",
    ] {
        let archive = || Archive::new().file("wanted", b"").file(name, b"x");
        let (_, result) = convert_all(archive(), &[]);
        let Err(Error::Archive(ArchiveError::Name(untrusted))) = result else {
            panic!("{name}: {result:?}")
        };
        assert_eq!(untrusted, name.as_bytes());
        assert_eq!(names(archive(), &["wanted", "missing"]), ["wanted"]);
    }
    let long = "d/".repeat(8191) + "x";
    let archive = Archive::new().records(&[("path", &long)]).file("cut", b"");
    assert!(matches!(
        convert_all(archive, &[]).1,
        Err(Error::Archive(ArchiveError::Name(_)))
    ));
}

#[test]
fn what_cannot_be_converted_is_named_unless_it_is_not_wanted() {
    let sparse = || Archive::new().member(b'S', "holes", b"");
    let pax = || {
        Archive::new()
            .records(&[("GNU.sparse.name", "holes")])
            .file("x", b"")
    };
    let continued = || Archive::new().member(b'M', "rest", b"x");
    for archive in [sparse(), pax()] {
        let (_, result) = convert_all(archive, &[]);
        assert!(
            matches!(result, Err(Error::Archive(ArchiveError::Sparse(name))) if name == b"holes")
        );
    }
    let (_, result) = convert_all(continued(), &[]);
    assert!(
        matches!(result, Err(Error::Archive(ArchiveError::Continued(name))) if name == b"rest")
    );
    for archive in [sparse(), pax(), continued()] {
        assert_eq!(names(archive.file("wanted", b""), &["wanted"]), ["wanted"]);
    }
}
