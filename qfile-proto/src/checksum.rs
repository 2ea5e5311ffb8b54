//! CRC-32 over everything that passes a reader or a writer.
//!
//! It finds damage, not forgery: the target qube can send any value it likes.

use std::io::{self, BufRead, BufReader, Read, Write};

/// The running CRC-32 of a stream (the polynomial of zip and gzip; `crc32(b"123456789")` is
/// 0xCBF43926).
#[derive(Clone, Debug, Default)]
pub struct Checksum(crc32fast::Hasher);

impl Checksum {
    /// Continues the checksum over `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Continues the checksum over `count` zero bytes, in time that grows with the logarithm of
    /// `count`: the checksums of 1, 2, 4, … zeros are combined.
    pub fn update_zeros(&mut self, count: u64) {
        let mut power = crc32fast::Hasher::new();
        power.update(&[0]);
        let mut left = count;
        while left > 0 {
            if left & 1 == 1 {
                self.0.combine(&power);
            }
            left >>= 1;
            let half = power.clone();
            power.combine(&half);
        }
    }

    /// The checksum of all bytes so far.
    #[must_use]
    pub fn value(&self) -> u32 {
        self.0.clone().finalize()
    }
}

/// A buffered reader that keeps the checksum of what has been *consumed*; bytes that were read
/// ahead do not count until they are used.
#[derive(Debug)]
pub struct ChecksumReader<R> {
    inner: BufReader<R>,
    checksum: Checksum,
}

impl<R: Read> ChecksumReader<R> {
    /// Reads `inner` through a buffer of `capacity` bytes.
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        Self {
            inner: BufReader::with_capacity(capacity, inner),
            checksum: Checksum::default(),
        }
    }

    /// The bytes that are at hand without another read.
    pub fn buffer(&self) -> &[u8] {
        self.inner.buffer()
    }

    /// The checksum of all bytes consumed so far.
    pub fn checksum(&self) -> u32 {
        self.checksum.value()
    }

    /// The reader below, whose read-ahead is lost.
    pub fn into_inner(self) -> R {
        self.inner.into_inner()
    }
}

impl<R: Read> Read for ChecksumReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for ChecksumReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.checksum.update(&self.inner.buffer()[..count]);
        self.inner.consume(count);
    }
}

/// A writer that keeps the checksum of what the writer below has taken.
#[derive(Debug)]
pub struct ChecksumWriter<W> {
    inner: W,
    checksum: Checksum,
}

impl<W: Write> ChecksumWriter<W> {
    /// Writes to `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            checksum: Checksum::default(),
        }
    }

    /// The checksum of all bytes written so far.
    pub fn checksum(&self) -> u32 {
        self.checksum.value()
    }

    /// Writes `count` zero bytes from `zeros`, which holds nothing else; their checksum is
    /// combined, not computed byte by byte.
    ///
    /// # Errors
    /// Those of the writer below. The checksum then stands for nothing any more.
    pub fn write_zeros(&mut self, mut count: u64, zeros: &[u8]) -> io::Result<()> {
        self.checksum.update_zeros(count);
        while count > 0 {
            let chunk = usize::try_from(count).map_or(zeros.len(), |left| left.min(zeros.len()));
            self.inner.write_all(&zeros[..chunk])?;
            count -= chunk as u64;
        }
        Ok(())
    }

    /// The writer below.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The writer below.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }
}

impl<W: Write> Write for ChecksumWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.checksum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_crc_of_zip_and_gzip() {
        let mut checksum = Checksum::default();
        checksum.update(b"12345");
        checksum.update(b"6789");
        assert_eq!(checksum.value(), 0xCBF4_3926);
        assert_eq!(Checksum::default().value(), 0);
    }

    #[test]
    fn zeros_combined_are_zeros_counted() {
        for count in [0_usize, 1, 2, 3, 7, 64, 1000, 65_537] {
            let (mut combined, mut counted) = (Checksum::default(), Checksum::default());
            for checksum in [&mut combined, &mut counted] {
                checksum.update(b"before");
            }
            combined.update_zeros(count as u64);
            counted.update(&vec![0; count]);
            for checksum in [&mut combined, &mut counted] {
                checksum.update(b"after");
            }
            assert_eq!(combined.value(), counted.value(), "{count} zeros");
        }
    }

    #[test]
    fn a_reader_counts_what_was_consumed_and_not_what_was_read_ahead() {
        let mut reader = ChecksumReader::with_capacity(64, &b"123456789 and more"[..]);
        let mut nine = [0; 9];
        reader.read_exact(&mut nine).unwrap();
        assert_eq!(reader.checksum(), 0xCBF4_3926);
        assert_eq!(reader.buffer(), b" and more");
    }

    #[test]
    fn a_writer_counts_what_was_taken() {
        let mut writer = ChecksumWriter::new(Vec::new());
        writer.write_all(b"123456789").unwrap();
        assert_eq!(writer.checksum(), 0xCBF4_3926);
        writer.write_zeros(10, &[0; 4]).unwrap();
        assert_eq!(writer.get_ref(), b"123456789\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(writer.checksum(), crc32fast::hash(writer.get_ref()));
    }
}
