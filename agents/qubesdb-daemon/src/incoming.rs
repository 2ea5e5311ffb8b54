//! Bytes, in pieces of any size, become messages.

use qubesdb::{HEADER_LEN, Header, Kind, Malformed, Path};

/// A message that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A header and its data, if data of that type is read.
    Whole(Header, Vec<u8>),
    /// A header that is none, with its path if that is one. Its data was skipped.
    Malformed(Path),
}

/// What has come of one message.
#[derive(Debug)]
pub(crate) struct Incoming {
    // Types with data. That of others is not read off: it would be taken for the next header.
    has_data: fn(Kind) -> bool,
    // Is what follows a malformed header skipped, or the end of everything?
    skips: bool,
    head: [u8; HEADER_LEN],
    head_len: usize,
    body: Body,
}

#[derive(Debug)]
enum Body {
    NotYet,
    Data(Header, Vec<u8>),
    Skipped { path: Path, left: u32 },
}

impl Incoming {
    /// Of a client: data that follows a malformed header is skipped before it is reported.
    pub(crate) fn of_client(has_data: fn(Kind) -> bool) -> Self {
        Self {
            skips: true,
            ..Self::of_peer(has_data)
        }
    }

    /// Of the other daemon: a malformed header is reported at once.
    pub(crate) fn of_peer(has_data: fn(Kind) -> bool) -> Self {
        Self {
            has_data,
            skips: false,
            head: [0; HEADER_LEN],
            head_len: 0,
            body: Body::NotYet,
        }
    }

    /// Is a message begun and not whole?
    pub(crate) fn is_partial(&self) -> bool {
        self.head_len > 0
    }

    /// Takes bytes from the front of `untrusted` until a message is whole; `None`: all were taken.
    pub(crate) fn next(&mut self, untrusted: &mut &[u8]) -> Option<Message> {
        if self.head_len < HEADER_LEN {
            let got = take(untrusted, HEADER_LEN - self.head_len);
            self.head[self.head_len..][..got.len()].copy_from_slice(got);
            self.head_len += got.len();
            if self.head_len < HEADER_LEN {
                return None;
            }
            self.body = match Header::parse(&self.head) {
                Ok(header) => Body::Data(header, Vec::new()),
                Err(Malformed { path, data_len }) => Body::Skipped {
                    path,
                    left: if self.skips { data_len } else { 0 },
                },
            };
        }
        let message = match &mut self.body {
            Body::NotYet => return None,
            Body::Data(header, data) => {
                let expected = match (self.has_data)(header.kind) {
                    true => usize::try_from(header.data_len).ok()?,
                    false => 0,
                };
                let got = take(untrusted, expected - data.len());
                data.extend_from_slice(got);
                if data.len() < expected {
                    return None;
                }
                Message::Whole(*header, std::mem::take(data))
            }
            Body::Skipped { path, left } => {
                let skipped = take(untrusted, usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= u32::try_from(skipped.len()).unwrap_or(*left);
                if *left > 0 {
                    return None;
                }
                Message::Malformed(*path)
            }
        };
        self.head_len = 0;
        self.body = Body::NotYet;
        Some(message)
    }
}

fn take<'a>(from: &mut &'a [u8], at_most: usize) -> &'a [u8] {
    let (taken, rest) = from.split_at(at_most.min(from.len()));
    *from = rest;
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use qubesdb::append_message;

    use super::*;

    fn all(incoming: &mut Incoming, mut bytes: &[u8]) -> Vec<Message> {
        std::iter::from_fn(|| incoming.next(&mut bytes)).collect()
    }

    fn messages() -> Vec<u8> {
        let path = "/a".parse().unwrap();
        let mut bytes = Vec::new();
        append_message(&mut bytes, Kind::Write, &path, b"value");
        append_message(&mut bytes, Kind::Read, &path, b"");
        let mut bad = [0xff; HEADER_LEN];
        bad[68..].copy_from_slice(&100_u32.to_ne_bytes());
        bytes.extend_from_slice(&bad);
        bytes.extend_from_slice(&[1; 100]);
        append_message(&mut bytes, Kind::Rm, &path, b"");
        bytes
    }

    #[test]
    fn data_of_nearly_4_gib_is_skipped_without_being_kept() {
        let mut incoming = Incoming::of_client(|_| true);
        let mut head = [0; HEADER_LEN];
        head[1] = b'/';
        head[68..].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(all(&mut incoming, &head), []);
        let piece = vec![7; 1 << 24];
        for _ in 0..255 {
            assert_eq!(all(&mut incoming, &piece), []);
        }
        assert!(incoming.is_partial());
        let path = "/".parse().unwrap();
        assert_eq!(all(&mut incoming, &piece[1..]), [Message::Malformed(path)]);
        assert!(!incoming.is_partial());
    }

    proptest! {
        #[test]
        fn the_size_of_the_pieces_changes_nothing(size in 1_usize..200) {
            let whole = all(&mut Incoming::of_client(|_| true), &messages());
            prop_assert_eq!(whole.len(), 4);
            let mut incoming = Incoming::of_client(|_| true);
            let bytes = messages();
            let pieces = bytes.chunks(size);
            let pieced: Vec<Message> = pieces.flat_map(|piece| all(&mut incoming, piece)).collect();
            prop_assert_eq!(pieced, whole);
        }
    }
}
