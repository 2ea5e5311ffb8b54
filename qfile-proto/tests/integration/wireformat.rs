//! Both directions: what the encoder writes and the decoder understands are the golden bytes.

use qfile_proto::{Decoder, Encoder, Entry, EntryHeader, Kind, Timestamp};

use crate::decoded::content;
use crate::golden::{ATIME, MTIME, STREAM, golden_bytes};

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
