//! Where a qfile stream ends, for whoever passes it on without unpacking it.
//!
//! Only the two lengths of each entry header are read. Nothing is checked: that is the receiver's
//! work, which refuses at the first field that is wrong. For every stream that a receiver accepts
//! both agree on the end.

use qfile_proto::header::HEADER_LEN;

/// Finds the end of a stream as its bytes pass.
#[derive(Clone, Debug, Default)]
pub struct StreamEnd {
    header: [u8; HEADER_LEN],
    /// How many bytes of `header` have come.
    filled: usize,
    /// How many bytes of name and content come before the next header.
    skip: u64,
    /// How many bytes have come in all.
    seen: u64,
    end: Option<u64>,
}

impl StreamEnd {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, untrusted: &[u8]) {
        let mut rest = untrusted;
        while self.end.is_none() && !rest.is_empty() {
            let wanted = match self.skip {
                0 => HEADER_LEN - self.filled,
                skip => usize::try_from(skip).unwrap_or(usize::MAX),
            };
            let (now, later) = rest.split_at(rest.len().min(wanted));
            match self.skip {
                0 => self.take_header(now),
                _ => self.skip -= now.len() as u64,
            }
            self.seen += now.len() as u64;
            if self.filled == HEADER_LEN {
                self.filled = 0;
                self.read_header();
            }
            rest = later;
        }
    }

    /// How many bytes the stream has, the end header included; `None` if it has not ended yet.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.end
    }

    fn take_header(&mut self, bytes: &[u8]) {
        self.header[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    fn read_header(&mut self) {
        let header = &self.header;
        let name_len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let mut file_len = [0; 8];
        file_len.copy_from_slice(&header[8..16]);
        match name_len {
            0 => self.end = Some(self.seen),
            // No stream is that long; where it is said to be, the end does not come.
            _ => self.skip = u64::from_le_bytes(file_len).saturating_add(name_len.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name_len: u32, file_len: u64) -> Vec<u8> {
        let mut bytes = vec![0xEE; HEADER_LEN];
        bytes[..4].copy_from_slice(&name_len.to_le_bytes());
        bytes[8..16].copy_from_slice(&file_len.to_le_bytes());
        bytes
    }

    fn stream() -> Vec<u8> {
        let folder = [header(2, 0), b"d\0".to_vec()].concat();
        let file = [header(4, 40), b"d/f\0".to_vec(), vec![0; 40]].concat();
        [&folder[..], &file, &folder, &header(0, 7)].concat()
    }

    #[test]
    fn the_end_is_found_whatever_the_pieces() {
        let bytes = [stream(), vec![0; 100]].concat();
        for piece in 1..bytes.len() {
            let mut end = StreamEnd::default();
            bytes.chunks(piece).for_each(|piece| end.push(piece));
            assert_eq!(end.end(), Some(stream().len() as u64), "{piece}");
        }
    }

    #[test]
    fn a_stream_that_is_cut_has_no_end() {
        let bytes = stream();
        for len in 0..bytes.len() {
            let mut end = StreamEnd::default();
            end.push(&bytes[..len]);
            assert_eq!(end.end(), None, "{len}");
        }
    }

    #[test]
    fn lengths_that_no_stream_has_are_waited_for() {
        let mut end = StreamEnd::default();
        end.push(&header(u32::MAX, u64::MAX));
        end.push(&vec![0; 1000]);
        assert_eq!(end.end(), None);
    }
}
