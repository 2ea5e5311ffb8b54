//! The answer of qubes.OpenInVM between two ends of ours: a frame around the new content.
//!
//! A raw answer says neither where it begins (a start-up file of the target may print text before
//! the service runs) nor whether it is complete. A client of ours therefore asks for a frame
//! ([`crate::edit_request::MARK`]), and a server of ours answers with one: [`MARK`], a byte for the
//! [`Kind`], the length of the content (u64, little-endian), the content, and the CRC-32 (u32,
//! little-endian) of everything from the kind on. A server that does not know the frame answers
//! raw, so [`Decoder`] understands both.

use crate::checksum::Checksum;

/// What a framed answer begins with.
pub const MARK: [u8; 16] = *b"qfile-answer\0\0\x01\n";

/// The frame begins within this many bytes of what comes, or there is none.
pub const SEARCH_LEN: usize = 64 * 1024;

/// Bytes of kind and length.
const HEAD_LEN: usize = 9;

/// Bytes of the checksum.
const CHECKSUM_LEN: usize = 4;

/// What became of the file in the other qube.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The user did not change it. There is no content.
    Unchanged,
    /// The content is the edit, also if it is empty.
    Changed,
    /// There is no file of that name any more. There is no content.
    Gone,
    /// The program that opens files failed. The content is what was saved until then, if any.
    OpenerFailed,
    /// The server could not see when the user was done. The content is what was saved until then,
    /// if any.
    EndNotSeen,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Unchanged,
        Self::Changed,
        Self::Gone,
        Self::OpenerFailed,
        Self::EndNotSeen,
    ];

    /// The byte on the wire.
    #[must_use]
    pub fn to_byte(self) -> u8 {
        match self {
            Self::Unchanged => 0,
            Self::Changed => 1,
            Self::Gone => 2,
            Self::OpenerFailed => 3,
            Self::EndNotSeen => 4,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.to_byte() == byte)
    }

    /// An answer of this kind never has content.
    #[must_use]
    pub fn is_without_content(self) -> bool {
        matches!(self, Self::Unchanged | Self::Gone)
    }
}

/// Makes a framed answer: [`Encoder::start`], [`Encoder::content`] for each piece, [`Encoder::end`].
#[derive(Debug)]
pub struct Encoder(Checksum);

impl Encoder {
    /// The bytes before the content, which has `len` bytes.
    #[must_use]
    pub fn start(kind: Kind, len: u64) -> (Self, [u8; MARK.len() + HEAD_LEN]) {
        let mut bytes = [0; MARK.len() + HEAD_LEN];
        let (mark, head) = bytes.split_at_mut(MARK.len());
        mark.copy_from_slice(&MARK);
        head[0] = kind.to_byte();
        head[1..].copy_from_slice(&len.to_le_bytes());
        let mut checksum = Checksum::default();
        checksum.update(head);
        (Self(checksum), bytes)
    }

    /// Takes note of content that is sent as it is.
    pub fn content(&mut self, content: &[u8]) {
        self.0.update(content);
    }

    /// The bytes behind the content.
    #[must_use]
    pub fn end(self) -> [u8; CHECKSUM_LEN] {
        self.0.value().to_le_bytes()
    }
}

/// Why a framed answer cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ends before its frame does.
    Cut,
    /// Its checksum is wrong.
    Damaged,
    /// Its kind is not known, or has content that it must not have.
    Malformed,
    /// Something follows the frame.
    Trailing,
}

/// What came, once nothing more will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not a byte.
    Nothing,
    /// No frame: all that came was content, as far as can be known.
    Raw,
    /// A frame.
    Framed {
        /// What it says, or why it cannot be believed.
        kind: Result<Kind, Fault>,
        /// What a start-up file of the other qube printed before the frame; not content.
        untrusted_start_up_text: Vec<u8>,
    },
}

/// Understands an answer piece by piece. It keeps [`SEARCH_LEN`] bytes in memory at most.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// Within this many bytes a frame may begin.
    search_len: usize,
    /// What came before the frame was found.
    before: Vec<u8>,
    checksum: Checksum,
}

#[derive(Debug)]
enum State {
    Searching,
    Raw,
    Head {
        bytes: [u8; HEAD_LEN],
        have: usize,
    },
    Content {
        kind: Kind,
        left: u64,
    },
    End {
        kind: Kind,
        bytes: [u8; CHECKSUM_LEN],
        have: usize,
    },
    Whole(Kind),
    /// Nothing that comes now changes what is known.
    Faulty(Fault),
    /// No frame that is known begins like this. It may be content that holds the mark by chance, so
    /// all of what came and comes is content.
    Malformed,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            state: State::Searching,
            search_len: SEARCH_LEN,
            before: Vec::new(),
            checksum: Checksum::default(),
        }
    }
}

impl Decoder {
    /// Of an answer to a request that did not ask for a frame: whatever comes is content.
    #[must_use]
    pub fn of_raw_answer() -> Self {
        Self {
            search_len: 0,
            ..Self::default()
        }
    }

    /// Takes the next bytes that came, and gives content to `store` as soon as it is known to be
    /// content.
    ///
    /// # Errors
    /// What `store` returns. The decoder must not be used after that.
    pub fn take<E>(
        &mut self,
        untrusted: &[u8],
        store: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = untrusted;
        while !rest.is_empty() {
            rest = self.step(rest, store)?;
        }
        Ok(())
    }

    /// Nothing more will come: gives what is left of a raw answer to `store`, and says what came.
    ///
    /// # Errors
    /// What `store` returns.
    pub fn finish<E>(
        mut self,
        store: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Answer, E> {
        let kind = match self.state {
            State::Searching if self.before.is_empty() => return Ok(Answer::Nothing),
            State::Searching => {
                store(&self.before)?;
                return Ok(Answer::Raw);
            }
            State::Raw => return Ok(Answer::Raw),
            State::Head { bytes, have } => {
                // Too little to tell a frame from content that holds the mark by chance.
                store_as_it_came(&mut self.before, &bytes[..have], store)?;
                Err(Fault::Cut)
            }
            State::Content { .. } | State::End { .. } => Err(Fault::Cut),
            State::Whole(kind) => Ok(kind),
            State::Faulty(fault) => Err(fault),
            State::Malformed => Err(Fault::Malformed),
        };
        Ok(Answer::Framed {
            kind,
            untrusted_start_up_text: self.before,
        })
    }

    /// True once a frame was found.
    #[must_use]
    pub fn is_framed(&self) -> bool {
        !matches!(self.state, State::Searching | State::Raw)
    }

    /// Why the frame cannot be believed, as soon as that is known: what follows changes nothing.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        match self.state {
            State::Faulty(fault) => Some(fault),
            _ => None,
        }
    }

    /// Takes some of `input`, which is not empty; returns the rest.
    fn step<'a, E>(
        &mut self,
        input: &'a [u8],
        store: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<&'a [u8], E> {
        match &mut self.state {
            State::Searching => {
                let room = self.search_len - self.before.len();
                let (now, rest) = input.split_at(room.min(input.len()));
                // A mark may have begun in what came earlier.
                let from = self.before.len().saturating_sub(MARK.len() - 1);
                self.before.extend_from_slice(now);
                if let Some(position) = find_mark(&self.before[from..]) {
                    let behind = self.before.len() - (from + position + MARK.len());
                    self.before.truncate(from + position);
                    self.state = State::Head {
                        bytes: [0; HEAD_LEN],
                        have: 0,
                    };
                    return Ok(&input[now.len() - behind..]);
                }
                if self.before.len() == self.search_len {
                    store(&std::mem::take(&mut self.before))?;
                    self.state = State::Raw;
                }
                Ok(rest)
            }
            State::Raw | State::Malformed => {
                store(input)?;
                Ok(&[])
            }
            State::Head { bytes, have } => {
                let rest = fill(bytes, have, input);
                if *have == HEAD_LEN {
                    let [kind, len @ ..] = *bytes;
                    let len = u64::from_le_bytes(len);
                    self.checksum.update(bytes);
                    self.state = match Kind::from_byte(kind) {
                        Some(kind) if len == 0 || !kind.is_without_content() => {
                            State::content(kind, len)
                        }
                        _ => {
                            store_as_it_came(&mut self.before, bytes, store)?;
                            State::Malformed
                        }
                    };
                }
                Ok(rest)
            }
            State::Content { kind, left } => {
                let count = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                let (content, rest) = input.split_at(count);
                self.checksum.update(content);
                store(content)?;
                self.state = State::content(*kind, *left - content.len() as u64);
                Ok(rest)
            }
            State::End { kind, bytes, have } => {
                let rest = fill(bytes, have, input);
                if *have == CHECKSUM_LEN {
                    self.state = if u32::from_le_bytes(*bytes) == self.checksum.value() {
                        State::Whole(*kind)
                    } else {
                        State::Faulty(Fault::Damaged)
                    };
                }
                Ok(rest)
            }
            State::Whole(_) => {
                self.state = State::Faulty(Fault::Trailing);
                Ok(&[])
            }
            State::Faulty(_) => Ok(&[]),
        }
    }
}

impl State {
    /// `left` more bytes of content, then the end.
    fn content(kind: Kind, left: u64) -> Self {
        match left {
            0 => Self::End {
                kind,
                bytes: [0; CHECKSUM_LEN],
                have: 0,
            },
            left => Self::Content { kind, left },
        }
    }
}

/// Where [`MARK`] first stands in `bytes`. One comparison a byte, but where the mark may begin: files
/// of gigabytes pass here.
#[must_use]
pub fn find_mark(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == MARK[0]) {
        if bytes[from + at..].starts_with(&MARK) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// Gives `store` what was taken for the begin of a frame.
fn store_as_it_came<E>(
    before: &mut Vec<u8>,
    head: &[u8],
    store: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    store(&std::mem::take(before))?;
    store(&MARK)?;
    store(head)
}

/// Fills `bytes`, of which there are `have` already, from `input`; returns the rest of that.
fn fill<'a>(bytes: &mut [u8], have: &mut usize, input: &'a [u8]) -> &'a [u8] {
    let free = &mut bytes[*have..];
    let (now, rest) = input.split_at(free.len().min(input.len()));
    free[..now.len()].copy_from_slice(now);
    *have += now.len();
    rest
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn frame(kind: Kind, content: &[u8]) -> Vec<u8> {
        let (mut encoder, start) = Encoder::start(kind, content.len() as u64);
        encoder.content(content);
        [&start[..], content, &encoder.end()].concat()
    }

    /// What is understood of `input`, which comes in pieces of `piece` bytes, and its content.
    fn decoded(input: &[u8], piece: usize) -> (Answer, Vec<u8>) {
        decoded_by(Decoder::default(), input, piece)
    }

    fn decoded_by(mut decoder: Decoder, input: &[u8], piece: usize) -> (Answer, Vec<u8>) {
        let mut content = Vec::new();
        let mut store = |bytes: &[u8]| {
            content.extend_from_slice(bytes);
            Ok::<(), Infallible>(())
        };
        for piece in input.chunks(piece) {
            decoder.take(piece, &mut store).unwrap();
        }
        let answer = decoder.finish(&mut store).unwrap();
        (answer, content)
    }

    fn framed(kind: Result<Kind, Fault>, start_up_text: &[u8]) -> Answer {
        Answer::Framed {
            kind,
            untrusted_start_up_text: start_up_text.to_vec(),
        }
    }

    #[test]
    fn answer_wireformat() {
        let table: [(Kind, &[u8], &[u8]); 3] = [
            (
                Kind::Unchanged,
                b"",
                b"qfile-answer\0\0\x01\n\0\0\0\0\0\0\0\0\0\xae\x14\x09\xe6",
            ),
            (
                Kind::Changed,
                b"",
                b"qfile-answer\0\0\x01\n\x01\0\0\0\0\0\0\0\0\xed\x00\x72\xf1",
            ),
            (
                Kind::Changed,
                b"new\n",
                b"qfile-answer\0\0\x01\n\x01\x04\0\0\0\0\0\0\0new\n\xac\x2b\xaa\xc4",
            ),
        ];
        for (kind, content, expected) in table {
            assert_eq!(frame(kind, content), expected, "{kind:?}");
            for piece in 1..=expected.len() {
                let (answer, stored) = decoded(expected, piece);
                assert_eq!(answer, framed(Ok(kind), b""));
                assert_eq!(stored, content);
            }
        }
    }

    #[test]
    fn every_kind_comes_back() {
        for kind in Kind::ALL {
            let content: &[u8] = if kind.is_without_content() { b"" } else { b"x" };
            let (answer, stored) = decoded(&frame(kind, content), 7);
            assert_eq!(answer, framed(Ok(kind), b""));
            assert_eq!(stored, content);
        }
    }

    #[test]
    fn text_before_the_frame_is_no_content() {
        let frame = frame(Kind::Changed, b"edit");
        // The last one begins like the mark.
        for text in [
            &b"Welcome\n"[..],
            &[b'x'; SEARCH_LEN - MARK.len()],
            b"qfile-qfile-answer\0",
        ] {
            for piece in [1, 15, 16, 17, 4096] {
                let (answer, stored) = decoded(&[text, &frame].concat(), piece);
                assert_eq!(answer, framed(Ok(Kind::Changed), text));
                assert_eq!(stored, b"edit");
            }
        }
    }

    #[test]
    fn what_has_no_frame_is_content() {
        let late = [
            &[b'x'; SEARCH_LEN - MARK.len() + 1],
            &frame(Kind::Changed, b"edit")[..],
        ];
        let late = late.concat();
        for raw in [
            &b"edit"[..],
            &MARK[..15],
            &[0; SEARCH_LEN],
            &[0; SEARCH_LEN + 1],
            &late,
        ] {
            for piece in [1, 4096, SEARCH_LEN + 1] {
                let (answer, stored) = decoded(raw, piece);
                assert_eq!(answer, Answer::Raw);
                assert_eq!(stored, raw);
            }
        }
        assert_eq!(decoded(b"", 1), (Answer::Nothing, Vec::new()));
    }

    #[test]
    fn a_frame_that_is_cut_anywhere_is_not_believed() {
        let frame = frame(Kind::Changed, b"the edit");
        for end in MARK.len()..frame.len() {
            let (answer, content) = decoded(&frame[..end], 5);
            assert_eq!(answer, framed(Err(Fault::Cut), b""), "{end}");
            // Before its head is whole it may be none.
            if end < MARK.len() + HEAD_LEN {
                assert_eq!(content, &frame[..end]);
            }
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_behind_the_mark_is_not_believed() {
        let frame = frame(Kind::Changed, b"the edit");
        for bit in 8 * MARK.len()..8 * frame.len() {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (answer, _) = decoded(&flipped, 5);
            assert!(
                matches!(answer, Answer::Framed { kind: Err(_), .. }),
                "{bit}"
            );
        }
    }

    #[test]
    fn what_follows_the_frame_is_a_fault_and_no_content() {
        for piece in [1, 4, 100] {
            let input = [&frame(Kind::Changed, b"edit")[..], b"\n"].concat();
            let (answer, stored) = decoded(&input, piece);
            assert_eq!(answer, framed(Err(Fault::Trailing), b""));
            assert_eq!(stored, b"edit");
        }
    }

    #[test]
    fn a_fault_is_known_before_the_end() {
        let mut store = |_: &[u8]| Ok::<(), Infallible>(());
        let mut decoder = Decoder::default();
        decoder.take(b"Welcome\n", &mut store).unwrap();
        assert!(!decoder.is_framed());
        decoder
            .take(&frame(Kind::Changed, b"edit"), &mut store)
            .unwrap();
        assert!(decoder.is_framed());
        assert_eq!(decoder.fault(), None);
        decoder.take(b"x", &mut store).unwrap();
        assert_eq!(decoder.fault(), Some(Fault::Trailing));
    }

    #[test]
    fn a_frame_that_contradicts_itself_is_a_fault() {
        let mut unknown = frame(Kind::Changed, b"");
        unknown[MARK.len()] = 5;
        for frame in [
            frame(Kind::Unchanged, b"x"),
            frame(Kind::Gone, b"x"),
            unknown,
        ] {
            for before in [&b""[..], b"text before"] {
                for piece in [1, 3, 100] {
                    let came = [before, &frame, b"text behind"].concat();
                    let (answer, stored) = decoded(&came, piece);
                    assert_eq!(answer, framed(Err(Fault::Malformed), b""));
                    // It may be content that holds the mark by chance, all of it.
                    assert_eq!(stored, came);
                }
            }
        }
    }

    #[test]
    fn an_answer_that_was_not_asked_to_be_framed_is_content() {
        let whole = frame(Kind::Changed, b"edit");
        for raw in [&b"edit"[..], &MARK, &whole, &[0; SEARCH_LEN + 1]] {
            for piece in [1, 4096, SEARCH_LEN + 1] {
                let decoder = Decoder::of_raw_answer();
                let (answer, stored) = decoded_by(decoder, raw, piece);
                assert_eq!(answer, Answer::Raw);
                assert_eq!(stored, raw);
            }
        }
        let (answer, _) = decoded_by(Decoder::of_raw_answer(), b"", 1);
        assert_eq!(answer, Answer::Nothing);
    }
}
