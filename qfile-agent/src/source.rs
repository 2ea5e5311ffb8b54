//! The content of a file: read in large pieces, holes found instead of read, and exactly as long as
//! its header promised.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use qfile_walk::Stat;
use rustix::fs::{SeekFrom, fstat, seek};
use rustix::io::Errno;

/// A file that is being sent.
#[derive(Debug)]
pub(crate) struct Source<'b> {
    file: File,
    /// Its state when the header was made of it.
    stat: Stat,
    buffer: &'b mut [u8],
    /// Bytes of content that were handed out.
    position: u64,
    /// Where data begins: that in which `position` lies, or that which follows the hole around it.
    data_start: u64,
    /// Where that data ends; a hole or the end of the file follows.
    data_end: u64,
    grown: bool,
}

/// A piece of content.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'s> {
    /// These bytes.
    Data(&'s [u8]),
    /// So many zeros.
    Zeros(u64),
    /// All has been handed out.
    End,
    /// The file has become shorter than was promised.
    Shrunk,
}

/// The longest run of zeros that is handed out at once, so that progress is seen.
const MAX_ZEROS: u64 = 16 * 1024 * 1024;

impl<'b> Source<'b> {
    /// Reads `file` through `buffer`, which holds more than one byte.
    pub(crate) fn new(file: File, stat: Stat, buffer: &'b mut [u8]) -> Self {
        // Where every block is allocated there is no hole to look for.
        let dense = stat.allocated >= stat.size;
        Self {
            file,
            stat,
            buffer,
            position: 0,
            data_start: 0,
            data_end: if dense { stat.size } else { 0 },
            grown: false,
        }
    }

    /// The next piece.
    pub(crate) fn next(&mut self) -> io::Result<Piece<'_>> {
        let promised = self.stat.size;
        if self.position == promised && promised > 0 {
            return Ok(Piece::End);
        }
        if self.position >= self.data_end && promised > 0 {
            self.data_start = self.find_data()?;
        }
        if self.position < self.data_start {
            let zeros = (self.data_start - self.position).min(MAX_ZEROS);
            self.position += zeros;
            return Ok(Piece::Zeros(zeros));
        }
        self.read()
    }

    /// True if the file is not what it was when its header was sent. To be asked after the end.
    pub(crate) fn has_changed(&self) -> io::Result<bool> {
        if self.grown {
            return Ok(true);
        }
        let now = Stat::from(fstat(&self.file)?);
        Ok((now.size, now.mtime) != (self.stat.size, self.stat.mtime))
    }

    fn read(&mut self) -> io::Result<Piece<'_>> {
        let left = self.data_end - self.position;
        // One byte more than the file should have shows that it has grown, also where the system
        // knows no size (/proc), and saves the read that would find its end.
        let last = self.data_end == self.stat.size;
        let wanted = usize::try_from(left.saturating_add(u64::from(last)))
            .map_or(self.buffer.len(), |wanted| wanted.min(self.buffer.len()));
        let count = loop {
            match self.file.read_at(&mut self.buffer[..wanted], self.position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if count == 0 {
            return Ok(if left == 0 { Piece::End } else { Piece::Shrunk });
        }
        let good = usize::try_from(left).map_or(count, |left| left.min(count));
        self.grown |= count > good;
        self.position += good as u64;
        Ok(match good {
            0 => Piece::End,
            _ => Piece::Data(&self.buffer[..good]),
        })
    }

    /// Where the next data begins, at `position` or after it; `data_end` is then its end. Both no
    /// further than was promised.
    fn find_data(&mut self) -> io::Result<u64> {
        let promised = self.stat.size;
        match seek(&self.file, SeekFrom::Data(self.position)) {
            Ok(data) if data < promised => {
                // A hole that has just come to be there may be read as well: it is zeros.
                self.data_end = match seek(&self.file, SeekFrom::Hole(data)) {
                    Ok(end) if end > data => end.min(promised),
                    _ => promised,
                };
                Ok(data)
            }
            Ok(_) => Ok(promised),
            // No data from here on: a hole up to the end, wherever that is by now.
            Err(Errno::NXIO) if Stat::from(fstat(&self.file)?).size >= promised => Ok(promised),
            // The file has shrunk, or the file system knows no holes: reading will tell.
            Err(_) => {
                self.data_end = promised;
                Ok(self.position)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUFFER: usize = 4096;

    /// A file with this content, and its state.
    fn file(content: &[u8]) -> (File, Stat) {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(content, 0).unwrap();
        let stat = Stat::from(fstat(&file).unwrap());
        (file, stat)
    }

    /// All of the content, and whether it was complete and unchanged.
    fn read(file: File, stat: Stat) -> (Vec<u8>, bool, bool) {
        let mut buffer = [0; BUFFER];
        let mut source = Source::new(file, stat, &mut buffer);
        let mut content = Vec::new();
        let complete = loop {
            match source.next().unwrap() {
                Piece::Data(bytes) => content.extend_from_slice(bytes),
                Piece::Zeros(count) => {
                    content.resize(content.len() + usize::try_from(count).unwrap(), 0);
                }
                Piece::End => break true,
                Piece::Shrunk => break false,
            }
        };
        let changed = source.has_changed().unwrap();
        (content, complete, changed)
    }

    #[test]
    fn content_of_every_length_around_the_buffer_arrives_whole() {
        for len in [
            0,
            1,
            BUFFER - 1,
            BUFFER,
            BUFFER + 1,
            2 * BUFFER,
            3 * BUFFER - 1,
        ] {
            let content: Vec<u8> = (1..=251).cycle().take(len).collect();
            let (file, stat) = file(&content);
            assert_eq!(read(file, stat), (content, true, false), "{len}");
        }
    }

    #[test]
    fn data_and_holes_in_every_order_are_the_content() {
        for pattern in 0..32 {
            let (mut content, file) = (Vec::new(), tempfile::tempfile().unwrap());
            for place in 0..5 {
                let data = pattern >> place & 1 == 1;
                let piece = vec![u8::from(data); 64 * 1024];
                if data {
                    file.write_all_at(&piece, content.len() as u64).unwrap();
                }
                content.extend(piece);
            }
            file.set_len(content.len() as u64).unwrap();
            let stat = Stat::from(fstat(&file).unwrap());
            let (found, complete, changed) = read(file, stat);
            assert!(found == content, "{pattern:05b}");
            assert_eq!((complete, changed), (true, false), "{pattern:05b}");
        }
    }

    #[test]
    fn no_byte_of_a_long_hole_is_read() {
        let file = tempfile::tempfile().unwrap();
        let hole = 3 * MAX_ZEROS + 4096;
        file.write_all_at(b"data", hole).unwrap();
        let stat = Stat::from(fstat(&file).unwrap());
        let mut buffer = [0; BUFFER];
        let mut source = Source::new(file, stat, &mut buffer);
        let mut zeros = 0;
        while let Piece::Zeros(count) = source.next().unwrap() {
            zeros += count;
        }
        assert_eq!(zeros, hole);
    }

    #[test]
    fn more_than_was_promised_is_not_sent_but_noticed() {
        for len in [0, 1, BUFFER - 1, BUFFER, BUFFER + 1] {
            let (file, stat) = file(&vec![1; len]);
            file.write_all_at(b"more", len as u64).unwrap();
            assert_eq!(read(file, stat), (vec![1; len], true, true), "{len}");
        }
    }

    #[test]
    fn a_file_without_a_size_is_not_mistaken_for_an_empty_one() {
        let file = File::open("/proc/self/status").unwrap();
        let stat = Stat::from(fstat(&file).unwrap());
        assert_eq!(stat.size, 0);
        assert_eq!(read(file, stat), (vec![], true, true));
    }

    #[test]
    fn less_than_was_promised_is_never_made_up_with_zeros() {
        for (promised, left) in [(10, 9), (10, 0), (3 * BUFFER, BUFFER), (BUFFER + 1, BUFFER)] {
            let (file, stat) = file(&vec![1; promised]);
            file.set_len(left as u64).unwrap();
            assert_eq!(read(file, stat), (vec![1; left], false, true));
        }
        // The same where holes are looked for.
        let (file, _) = file(b"");
        file.set_len(1 << 20).unwrap();
        let stat = Stat::from(fstat(&file).unwrap());
        file.set_len(1 << 19).unwrap();
        assert!(!read(file, stat).1);
    }
}
