//! The pieces in which a stream passes, and a thread that takes their digests.
//!
//! SHA-256 is what takes longest, so that it is computed while the next piece is read and written.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use raw_device::{Digest, Digester};

use crate::device::medium::ALIGNMENT;

/// Bytes of a piece, a multiple of [`ALIGNMENT`].
pub(super) const PIECE_LEN: usize = 512 * 1024;

/// Pieces that there are. While all of them wait for their digest, nothing is read.
const PIECES: usize = 4;

/// A piece: [`PIECE_LEN`] bytes, at an address that is a multiple of [`ALIGNMENT`].
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Vec<u8>,
    start: usize,
}

impl Piece {
    fn new() -> Self {
        let bytes = vec![0; PIECE_LEN + ALIGNMENT];
        // What is not at such an address is only slower.
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { bytes, start }
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + PIECE_LEN]
    }
}

impl DerefMut for Piece {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + PIECE_LEN]
    }
}

/// Takes the digests of the pieces that it is given, in their order.
#[derive(Debug)]
pub(super) struct Pieces {
    filled: Sender<(Piece, usize)>,
    empty: Receiver<Piece>,
    thread: JoinHandle<Digest>,
}

impl Pieces {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let (filled, to_digest) = channel::<(Piece, usize)>();
        let (to_fill, empty) = channel();
        for _ in 0..PIECES {
            let _its_other_end_is_here = to_fill.send(Piece::new());
        }
        let work = move || {
            let mut digester = Digester::default();
            for (piece, len) in to_digest {
                digester.update(&piece[..len]);
                let _none_is_wanted_any_more = to_fill.send(piece);
            }
            digester.finish()
        };
        let thread = thread::Builder::new()
            .name("digest".to_owned())
            .spawn(work)?;
        Ok(Self {
            filled,
            empty,
            thread,
        })
    }

    /// A piece to fill. What is in it means nothing.
    pub(super) fn empty(&self) -> io::Result<Piece> {
        self.empty.recv().map_err(io::Error::other)
    }

    /// Takes the digest of the first `len` bytes of the next piece.
    pub(super) fn digest(&self, piece: Piece, len: usize) -> io::Result<()> {
        self.filled.send((piece, len)).map_err(io::Error::other)
    }

    /// The digests of all pieces.
    pub(super) fn finish(self) -> io::Result<Digest> {
        drop(self.filled);
        self.thread
            .join()
            .map_err(|_| io::Error::other("the thread that computes digests failed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_can_be_written_past_the_cache() {
        let piece = Piece::new();
        assert_eq!(piece.len(), PIECE_LEN);
        assert_eq!(piece.as_ptr().align_offset(ALIGNMENT), 0);
        assert_eq!(PIECE_LEN % ALIGNMENT, 0);
    }

    #[test]
    fn the_digest_is_that_of_all_pieces_in_their_order() {
        let bytes: Vec<u8> = (0..=255).cycle().take(5 * PIECE_LEN + 7).collect();
        let pieces = Pieces::start().unwrap();
        for part in bytes.chunks(PIECE_LEN) {
            let mut piece = pieces.empty().unwrap();
            piece[..part.len()].copy_from_slice(part);
            pieces.digest(piece, part.len()).unwrap();
        }
        let mut whole = Digester::default();
        whole.update(&bytes);
        assert_eq!(pieces.finish().unwrap(), whole.finish());
    }
}
