//! What fuzz targets call, and unit tests with inputs by hand.

use qfile_proto::Decoder;

use crate::answer::Answer;
use crate::block::{BLOCK_LEN, Block, seal};
use crate::header::Found;
use crate::stream_end::StreamEnd;

/// Any bytes as a device: its header and its answer, as they are and with their CRC-32 made right.
/// What is taken for a transfer is written again as the same bytes, up to what nobody reads.
///
/// # Panics
/// At a fault.
pub fn device(untrusted: &[u8]) {
    let (header, rest) = untrusted.split_at(untrusted.len().min(BLOCK_LEN));
    for sealed in [false, true] {
        header_block(&block(header, sealed), untrusted.len() as u64);
        answer_block(&block(&rest[..rest.len().min(BLOCK_LEN)], sealed));
    }
}

fn block(bytes: &[u8], sealed: bool) -> Block {
    let mut block = [0; BLOCK_LEN];
    block[..bytes.len()].copy_from_slice(bytes);
    if sealed {
        seal(&mut block);
    }
    block
}

fn header_block(block: &Block, capacity: u64) {
    if let Found::Transfer(header) = Found::read(block, capacity) {
        assert!(header.untrusted_source.len() <= 64);
        let fits = |len: u64| len > 0 && len <= capacity.saturating_sub(8192);
        assert!(header.stream.is_none_or(|stream| fits(stream.len)));
        if header.stream.is_some() {
            assert_eq!(header.to_block(), *block);
        }
    }
}

fn answer_block(block: &Block) {
    if let Some(answer) = Answer::read(block) {
        let again = Answer::read(&answer.to_block());
        assert_eq!(again, Some(answer));
    }
}

/// Any bytes as a stream: where a receiver comes to the end of it, [`StreamEnd`] does too.
///
/// # Panics
/// At a fault.
pub fn stream_end(untrusted: &[u8]) {
    let mut end = StreamEnd::default();
    untrusted.chunks(37).for_each(|piece| end.push(piece));
    let mut decoder = Decoder::with_capacity(64, untrusted);
    let (mut name, mut used) = (Vec::new(), 0_u64);
    loop {
        match decoder.next_entry(&mut name) {
            Ok(Some(entry)) => {
                if decoder.content(&entry, |_| Ok(())).is_err() {
                    return assert_eq!(end.end(), None);
                }
                used += 1;
            }
            Ok(None) => {
                let len = end
                    .end()
                    .expect("a stream that a receiver accepts has an end");
                assert!(len >= 32 * (used + 1) && len <= untrusted.len() as u64);
                let mut checksum = qfile_proto::checksum::Checksum::default();
                checksum.update(&untrusted[..usize::try_from(len).unwrap_or(0)]);
                return assert_eq!(checksum.value(), decoder.checksum());
            }
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_support::corpus;

    use super::*;

    #[test]
    fn the_committed_inputs_find_no_fault() {
        corpus("raw_device", 1, device);
        corpus("raw_device_stream", 1, stream_end);
    }

    proptest! {
        #[test]
        fn devices_of_any_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
            device(&bytes);
            let magic = b"qfile-pendrive\0\x01";
            if bytes.len() > magic.len() {
                bytes[..magic.len()].copy_from_slice(magic);
                device(&bytes);
            }
        }

        #[test]
        fn streams_of_any_small_numbers(
            bytes in proptest::collection::vec(prop_oneof![4 => Just(0_u8), 1 => 0_u8..4], 0..400),
        ) {
            stream_end(&bytes);
        }
    }
}
