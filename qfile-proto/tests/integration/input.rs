//! How the bytes of a stream arrive: in pieces, interrupted, not at all.

use std::io::{self, Read};

use qfile_proto::{Decoder, Refusal};

use crate::golden::{STREAM, golden_bytes};

/// Gives one byte of `rest` after an error of the kind `error`, and so on.
struct Troubled<'a> {
    rest: &'a [u8],
    error: Option<io::ErrorKind>,
    is_next: bool,
}

impl Read for Troubled<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_next = !self.is_next;
        match self.error {
            Some(error) if self.is_next => Err(error.into()),
            _ => self.rest.read(&mut buffer[..1]),
        }
    }
}

#[test]
fn an_interrupted_read_is_tried_again() {
    let bytes = golden_bytes();
    let input = Troubled {
        rest: &bytes,
        error: Some(io::ErrorKind::Interrupted),
        is_next: false,
    };
    let mut decoder = Decoder::with_capacity(64, input);
    let mut name = Vec::new();
    for golden in &STREAM {
        let entry = decoder.next_entry(&mut name).unwrap().unwrap();
        let mut content = Vec::new();
        let taken = decoder.content(&entry, |chunk| {
            content.extend_from_slice(chunk);
            Ok(())
        });
        assert_eq!(taken, Ok(()));
        assert_eq!((&name[..], &content[..]), (golden.name, golden.content));
    }
    assert_eq!(decoder.next_entry(&mut name), Ok(None));
}

#[test]
fn a_failed_read_ends_the_stream_with_its_errno() {
    let file = STREAM.iter().find(|entry| !entry.content.is_empty());
    let bytes = file.unwrap().bytes();
    let (header, content) = bytes.split_at(bytes.len() - file.unwrap().content.len());
    let failing = Troubled {
        rest: content,
        error: Some(io::ErrorKind::Other),
        is_next: false,
    };
    let mut decoder = Decoder::with_capacity(64, header.chain(failing));
    let entry = decoder.next_entry(&mut Vec::new()).unwrap().unwrap();
    let taken = decoder.content(&entry, |_| Ok(()));
    // An error without a number counts as EIO.
    assert_eq!(taken, Err(Refusal::System(5)));
}

#[test]
fn what_is_buffered_is_what_was_read_and_not_used() {
    let bytes = golden_bytes();
    let mut decoder = Decoder::with_capacity(bytes.len() + 1, &bytes[..]);
    assert_eq!(decoder.buffered(), 0);
    decoder.next_entry(&mut Vec::new()).unwrap();
    assert_eq!(decoder.buffered(), bytes.len() - STREAM[0].bytes().len());
}
