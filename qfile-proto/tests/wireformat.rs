//! Golden bytes of the stream, both directions: what the encoder writes and the decoder
//! understands is written out here. (Verdict and edit request have theirs beside their code.)

use qfile_proto::{Decoder, Encoder, Entry, EntryHeader, Kind, Refusal, Timestamp};

const ATIME: Timestamp = Timestamp {
    seconds: 0x5E00_0001,
    nanoseconds: 999_999_999,
};
const MTIME: Timestamp = Timestamp {
    seconds: u32::MAX,
    nanoseconds: 1,
};

/// [`ATIME`] and [`MTIME`] as they stand in a header.
const TIMES: &[u8; 16] = b"\x01\x00\x00\x5E\xFF\xC9\x9A\x3B\xFF\xFF\xFF\xFF\x01\x00\x00\x00";

#[test]
fn header_wireformat() {
    let header = EntryHeader {
        name_len: 0x0403_0201,
        mode: 0x0807_0605,
        file_len: 0x100F_0E0D_0C0B_0A09,
        atime: Timestamp {
            seconds: 0x1413_1211,
            nanoseconds: 0x1817_1615,
        },
        mtime: Timestamp {
            seconds: 0x1C1B_1A19,
            nanoseconds: 0x201F_1E1D,
        },
    };
    let golden: Vec<u8> = (1..=32).collect();
    assert_eq!(header.to_bytes().to_vec(), golden);
    assert_eq!(EntryHeader::END.to_bytes(), [0; 32]);
}

/// An entry: kind, permissions, name, content, and all its bytes but for the times.
struct Golden {
    kind: Kind,
    permissions: u32,
    name: &'static [u8],
    content: &'static [u8],
    first_half: &'static [u8; 16],
}

const STREAM: [Golden; 5] = [
    Golden {
        kind: Kind::Directory,
        permissions: 0o755,
        name: b"d",
        content: b"",
        first_half: b"\x02\0\0\0\xED\x41\0\0\0\0\0\0\0\0\0\0",
    },
    Golden {
        kind: Kind::File,
        permissions: 0o640,
        name: b"d/f",
        content: b"content",
        first_half: b"\x04\0\0\0\xA0\x81\0\0\x07\0\0\0\0\0\0\0",
    },
    Golden {
        kind: Kind::File,
        permissions: 0,
        name: "d/ä".as_bytes(),
        content: b"",
        first_half: b"\x05\0\0\0\x00\x80\0\0\0\0\0\0\0\0\0\0",
    },
    Golden {
        kind: Kind::Symlink,
        permissions: 0o777,
        name: b"d/l",
        content: b"f",
        first_half: b"\x04\0\0\0\xFF\xA1\0\0\x01\0\0\0\0\0\0\0",
    },
    Golden {
        kind: Kind::Directory,
        permissions: 0o755,
        name: b"d",
        content: b"",
        first_half: b"\x02\0\0\0\xED\x41\0\0\0\0\0\0\0\0\0\0",
    },
];

impl Golden {
    fn bytes(&self) -> Vec<u8> {
        [&self.first_half[..], TIMES, self.name, b"\0", self.content].concat()
    }

    fn entry(&self) -> Entry {
        Entry {
            kind: self.kind,
            permissions: self.permissions,
            len: self.content.len() as u64,
            atime: ATIME,
            mtime: MTIME,
        }
    }
}

fn golden_bytes() -> Vec<u8> {
    let entries: Vec<Vec<u8>> = STREAM.iter().map(Golden::bytes).collect();
    [entries.concat(), vec![0; 32]].concat()
}

#[test]
fn stream_wireformat() {
    let bytes = golden_bytes();
    let checksum = crc32fast::hash(&bytes);

    let mut encoder = Encoder::new(Vec::new());
    for golden in &STREAM {
        let attributes = Entry {
            kind: golden.kind,
            permissions: golden.permissions,
            len: golden.content.len() as u64,
            atime: ATIME,
            mtime: MTIME,
        };
        encoder.header(golden.name, &attributes).unwrap();
        encoder.content(golden.content).unwrap();
    }
    encoder.end().unwrap();
    assert_eq!(encoder.get_ref(), &bytes);
    assert_eq!(encoder.checksum(), checksum);

    let mut decoder = Decoder::with_capacity(64, &bytes[..]);
    let mut name = Vec::new();
    for golden in &STREAM {
        let entry = decoder.next_entry(&mut name).unwrap().unwrap();
        assert_eq!((&name[..], entry), (golden.name, golden.entry()));
        assert_eq!(content(&mut decoder, &entry), Ok(golden.content.to_vec()));
    }
    assert_eq!(decoder.next_entry(&mut name), Ok(None));
    assert_eq!(decoder.checksum(), checksum);
}

fn content(decoder: &mut Decoder<&[u8]>, entry: &Entry) -> Result<Vec<u8>, Refusal> {
    let mut content = Vec::new();
    decoder.content(entry, |chunk| {
        content.extend_from_slice(chunk);
        Ok(())
    })?;
    Ok(content)
}

/// Name and content.
type NameAndContent = (Vec<u8>, Vec<u8>);

/// How a stream ended: well, or with a refusal and the last name.
type End = Result<(), (Refusal, Vec<u8>)>;

/// All entries of a stream, and how it ended.
fn decoded(stream: &[u8]) -> (Vec<NameAndContent>, End) {
    let mut decoder = Decoder::with_capacity(7, stream);
    let mut name = Vec::new();
    let mut entries = Vec::new();
    loop {
        let next = decoder
            .next_entry(&mut name)
            .and_then(|entry| entry.map(|entry| content(&mut decoder, &entry)).transpose());
        match next {
            Ok(Some(content)) => entries.push((name.clone(), content)),
            Ok(None) => return (entries, Ok(())),
            Err(refusal) => return (entries, Err((refusal, name))),
        }
    }
}

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
fn only_a_name_of_length_0_ends_the_stream() {
    let mut end = vec![0xFF; 32];
    end[..4].fill(0);
    assert_eq!(decoded(&end), (Vec::new(), Ok(())));
}

#[test]
fn a_name_that_the_format_does_not_have_is_not_sent() {
    let attributes = Entry {
        kind: Kind::File,
        permissions: 0o644,
        len: 0,
        atime: ATIME,
        mtime: MTIME,
    };
    for name in [&b""[..], b"a\0b", b"\0", &[b'a'; 16_383]] {
        let mut encoder = Encoder::new(Vec::new());
        assert!(encoder.header(name, &attributes).is_err(), "{name:?}");
        assert!(encoder.get_ref().is_empty(), "{name:?}");
    }
    let mut encoder = Encoder::new(Vec::new());
    encoder.header(&[b'a'; 16_382], &attributes).unwrap();
    assert_eq!(encoder.get_ref().len(), 32 + 16_383);
}
