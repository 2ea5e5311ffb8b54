//! Decoding what was encoded gives back what was put in, whatever it is; and no bytes whatever
//! make the decoder panic.

use proptest::collection::vec;
use proptest::prelude::*;
use qfile_proto::{Decoder, Encoder, Entry, Kind, Timestamp};

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (any::<u32>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanoseconds)| Timestamp {
        seconds,
        nanoseconds,
    })
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let any_length = prop_oneof![9 => 1..40_usize, 1 => 16_370..=16_382_usize];
    any_length.prop_flat_map(|length| vec(1..=u8::MAX, length))
}

fn entry() -> impl Strategy<Value = (Entry, Vec<u8>, Vec<u8>)> {
    let kind = prop_oneof![Just(Kind::File), Just(Kind::Directory), Just(Kind::Symlink)];
    let content = prop_oneof![
        vec(any::<u8>(), 0..300),
        (0..16_384_usize).prop_map(|n| vec![0; n])
    ];
    (
        kind,
        0..=0o777_u32,
        timestamp(),
        timestamp(),
        name(),
        content,
    )
        .prop_map(|(kind, permissions, atime, mtime, name, mut content)| {
            if kind == Kind::Directory {
                content.clear();
            }
            let attributes = Entry {
                kind,
                permissions,
                len: content.len() as u64,
                atime,
                mtime,
            };
            (attributes, name, content)
        })
}

proptest! {
    #[test]
    fn decode_after_encode_is_the_identity(
        entries in vec(entry(), 0..12),
        capacity in prop_oneof![1..64_usize, Just(65_536)],
    ) {
        let mut encoder = Encoder::new(Vec::new());
        for (attributes, name, content) in &entries {
            encoder.header(name, attributes).unwrap();
            if content.iter().all(|byte| *byte == 0) {
                encoder.zeros(content.len() as u64, &[0; 100]).unwrap();
            } else {
                encoder.content(content).unwrap();
            }
        }
        encoder.end().unwrap();

        let stream = [&encoder.get_ref()[..], b"what follows is not read"].concat();
        let mut decoder = Decoder::with_capacity(capacity, &stream[..]);
        let mut found_name = Vec::new();
        for (attributes, name, content) in &entries {
            let found = decoder.next_entry(&mut found_name).unwrap().unwrap();
            let expected = Entry {
                kind: attributes.kind,
                permissions: attributes.permissions,
                len: attributes.len,
                atime: attributes.atime,
                mtime: attributes.mtime,
            };
            prop_assert_eq!(found, expected);
            prop_assert_eq!(&found_name, name);
            let mut found_content = Vec::new();
            decoder
                .content(&found, |chunk| {
                    found_content.extend_from_slice(chunk);
                    Ok(())
                })
                .unwrap();
            prop_assert_eq!(&found_content, content);
        }
        prop_assert_eq!(decoder.next_entry(&mut found_name), Ok(None));
        prop_assert_eq!(decoder.checksum(), encoder.checksum());
        prop_assert_eq!(decoder.checksum(), crc32fast::hash(encoder.get_ref()));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(
        mut bytes in vec(any::<u8>(), 0..400),
        name_len in 0..40_u32,
        mode in prop_oneof![Just(0o100_644_u32), Just(0o040_755), Just(0o120_777), any::<u32>()],
    ) {
        // Bytes that are all random have a name length that is nearly always refused.
        for (at, field) in [(0, name_len), (4, mode), (8, 9), (12, 0), (20, 5), (28, 6)] {
            if let Some(place) = bytes.get_mut(at..at + 4) {
                place.copy_from_slice(&field.to_le_bytes());
            }
        }
        let mut decoder = Decoder::with_capacity(16, &bytes[..]);
        let mut name = Vec::new();
        while let Ok(Some(entry)) = decoder.next_entry(&mut name) {
            prop_assert!(entry.permissions <= 0o777 && i64::try_from(entry.len).is_ok());
            prop_assert!(!name.contains(&0) && name.len() <= 16_382);
            let mut left = entry.len;
            let content = decoder.content(&entry, |chunk| {
                left -= chunk.len() as u64;
                Ok(())
            });
            if content.is_err() {
                break;
            }
            prop_assert_eq!(left, 0);
        }
    }
}
