//! The content of a file: read in large pieces, holes found instead of read, and exactly as long as
//! its header promised.
//!
//! It is read from its beginning to its end by plain reads: a file of some FUSE file systems knows no
//! others. A short file is read before its length is promised, and so is all of one whose length the
//! system does not know, which waits in a temporary file until it is sent.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};

use files::Stat;
use rustix::fs::{SeekFrom, fstat, seek};
use rustix::io::Errno;
use transfer::manifest::waiting_file;
use walk::has_no_true_length;

/// The longest content that is kept in a temporary file, in bytes.
const MAX_KEPT_LEN: u64 = 256 * 1024 * 1024;

/// A file that is being sent.
#[derive(Debug)]
pub(crate) struct Source<'b> {
    /// What is read.
    file: File,
    /// The file itself, where `file` is a temporary one.
    itself: Option<File>,
    /// Its state before anything was read.
    stat: Stat,
    /// Bytes of content that are promised.
    len: u64,
    buffer: &'b mut [u8],
    /// Bytes in the buffer that were read beforehand: all of the content, or none.
    at_hand: usize,
    /// Bytes of content that were handed out.
    position: u64,
    /// Where the next plain read begins.
    offset: u64,
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

/// Why the length of a file cannot be found out.
#[derive(Debug)]
pub(crate) enum NoLength {
    /// It cannot be read.
    Read(io::Error),
    /// What was read cannot be kept in a temporary file.
    Keep(io::Error),
    /// It has more content than is kept.
    TooLong,
}

/// The longest run of zeros that is handed out at once, so that progress is seen.
const MAX_ZEROS: u64 = 16 * 1024 * 1024;

impl<'b> Source<'b> {
    /// Makes sure of the length of `file`, which was opened in the state `stat` and is read through
    /// `buffer`, which holds more than one byte.
    pub(crate) fn open(mut file: File, stat: Stat, buffer: &'b mut [u8]) -> Result<Self, NoLength> {
        let is_short = stat.state.size < buffer.len() as u64;
        let (at_hand, is_all) = match is_short {
            true => fill(&mut file, stat.state.size, buffer).map_err(NoLength::Read)?,
            false => (0, !has_no_true_length(&file, &stat)),
        };
        if !is_all {
            let piece = buffer.len();
            let (kept, len) = keep(&mut file, &buffer[..at_hand], piece, MAX_KEPT_LEN)?;
            let dense = true;
            return Ok(Self::new(kept, Some(file), stat, buffer, (len, dense)));
        }
        if is_short {
            let len = at_hand as u64;
            let source = Self::new(file, None, stat, buffer, (len, true));
            return Ok(Self { at_hand, ..source });
        }
        // Where every block is allocated there is no hole to look for.
        let dense = stat.allocated >= stat.state.size;
        Ok(Self::new(
            file,
            None,
            stat,
            buffer,
            (stat.state.size, dense),
        ))
    }

    fn new(
        file: File,
        itself: Option<File>,
        stat: Stat,
        buffer: &'b mut [u8],
        (len, dense): (u64, bool),
    ) -> Self {
        Self {
            file,
            itself,
            stat,
            len,
            buffer,
            at_hand: 0,
            position: 0,
            offset: 0,
            data_start: 0,
            data_end: if dense { len } else { 0 },
            grown: false,
        }
    }

    /// Bytes of content that are to be promised.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The next piece.
    pub(crate) fn next(&mut self) -> io::Result<Piece<'_>> {
        if self.at_hand > 0 {
            let count = std::mem::take(&mut self.at_hand);
            self.position = count as u64;
            return Ok(Piece::Data(&self.buffer[..count]));
        }
        if self.position == self.len {
            return Ok(Piece::End);
        }
        if self.position >= self.data_end {
            self.data_start = self.find_data()?;
        }
        if self.position < self.data_start {
            let zeros = (self.data_start - self.position).min(MAX_ZEROS);
            self.position += zeros;
            return Ok(Piece::Zeros(zeros));
        }
        self.read()
    }

    /// True if the file is not what it was when it was opened. To be asked after the end.
    pub(crate) fn has_changed(&self) -> io::Result<bool> {
        if self.grown {
            return Ok(true);
        }
        let itself = self.itself.as_ref().unwrap_or(&self.file);
        let now = match Stat::fresh(itself) {
            // Some file systems of FUSE know nothing more of an open file that was deleted.
            Err(Errno::NOENT | Errno::STALE) => return Ok(true),
            other => other?,
        };
        Ok((now.state.size, now.state.mtime) != (self.stat.state.size, self.stat.state.mtime))
    }

    fn read(&mut self) -> io::Result<Piece<'_>> {
        let left = self.data_end - self.position;
        // One byte more than the file should have shows that it has grown, and saves the read that
        // would find its end.
        let last = self.data_end == self.len;
        let wanted = usize::try_from(left.saturating_add(u64::from(last)))
            .map_or(self.buffer.len(), |wanted| wanted.min(self.buffer.len()));
        if self.offset != self.position {
            seek(&self.file, SeekFrom::Start(self.position))?;
            self.offset = self.position;
        }
        let count = read(&mut self.file, &mut self.buffer[..wanted])?;
        self.offset += count as u64;
        if count == 0 {
            return Ok(Piece::Shrunk);
        }
        let good = usize::try_from(left).map_or(count, |left| left.min(count));
        self.grown |= count > good;
        self.position += good as u64;
        Ok(Piece::Data(&self.buffer[..good]))
    }

    /// Where the next data begins, at `position` or after it; `data_end` is then its end. Both no
    /// further than was promised.
    fn find_data(&mut self) -> io::Result<u64> {
        match seek(&self.file, SeekFrom::Data(self.position)) {
            Ok(data) if data < self.len => {
                self.offset = data;
                // A hole that has just come to be there may be read as well: it is zeros.
                self.data_end = match seek(&self.file, SeekFrom::Hole(data)) {
                    Ok(end) => {
                        self.offset = end;
                        if end > data {
                            end.min(self.len)
                        } else {
                            self.len
                        }
                    }
                    Err(_) => self.len,
                };
                Ok(data)
            }
            Ok(data) => {
                self.offset = data;
                Ok(self.len)
            }
            // No data from here on: a hole up to the end, wherever that is by now.
            Err(Errno::NXIO) if Stat::from(fstat(&self.file)?).state.size >= self.len => {
                Ok(self.len)
            }
            // The file has shrunk, or the file system knows no holes: reading will tell.
            Err(_) => {
                self.data_end = self.len;
                Ok(self.position)
            }
        }
    }
}

/// Reads `file`, which should have `size` bytes, into `buffer`: how much that was, and whether it was
/// all.
fn fill(file: &mut File, size: u64, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = &mut buffer[filled..];
        let wanted = rest.len();
        let count = read(file, rest)?;
        filled += count;
        if count == 0 || (count < wanted && filled as u64 == size) {
            return Ok((filled, true));
        }
    }
    Ok((filled, false))
}

/// Reads `file` to its end, in pieces of `piece` bytes, into a temporary file that begins with `begun`
/// and holds `max` bytes at most. That file, at its beginning, and its length.
fn keep(file: &mut File, begun: &[u8], piece: usize, max: u64) -> Result<(File, u64), NoLength> {
    let mut kept = waiting_file().map_err(NoLength::Keep)?;
    let mut len = begun.len() as u64;
    kept.write_all(begun).map_err(NoLength::Keep)?;
    let mut buffer = vec![0; piece];
    loop {
        match read(file, &mut buffer).map_err(NoLength::Read)? {
            0 => break,
            count => {
                len += count as u64;
                if len > max {
                    return Err(NoLength::TooLong);
                }
                kept.write_all(&buffer[..count]).map_err(NoLength::Keep)?;
            }
        }
    }
    kept.rewind().map_err(NoLength::Keep)?;
    Ok((kept, len))
}

fn read(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

impl fmt::Display for NoLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Keep(error) => write!(
                f,
                "its length is unknown until it is read, and it cannot be stored in a temporary \
                 file: {error}"
            ),
            Self::TooLong => write!(
                f,
                "its length is unknown until it is read, and it contains more than {} MiB",
                MAX_KEPT_LEN >> 20
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

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
        let mut source = Source::open(file, stat, &mut buffer).unwrap();
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
        let mut source = Source::open(file, stat, &mut buffer).unwrap();
        let mut zeros = 0;
        while let Piece::Zeros(count) = source.next().unwrap() {
            zeros += count;
        }
        assert_eq!(zeros, hole);
    }

    #[test]
    fn what_was_added_to_a_file_before_its_length_is_promised_is_sent_and_noticed() {
        for len in [0, 1, BUFFER - 1] {
            let (file, stat) = file(&vec![1; len]);
            file.write_all_at(b"more", len as u64).unwrap();
            let content = [&vec![1; len], &b"more"[..]].concat();
            assert_eq!(read(file, stat), (content, true, true), "{len}");
        }
    }

    #[test]
    fn more_than_was_promised_is_not_sent_but_noticed() {
        for len in [BUFFER, BUFFER + 1, 3 * BUFFER] {
            let (file, stat) = file(&vec![1; len]);
            file.write_all_at(b"more", len as u64).unwrap();
            assert_eq!(read(file, stat), (vec![1; len], true, true), "{len}");
        }
    }

    #[test]
    fn a_file_whose_length_the_system_does_not_know_is_read_to_its_end_first() {
        // A part of a page, and more than the buffer holds.
        let many = std::fs::read_to_string("/proc/self/smaps").unwrap().len() > 2 * BUFFER;
        assert!(many, "the second file is to be longer than the buffer");
        for path in [
            "/proc/self/cmdline",
            "/proc/filesystems",
            "/proc/self/smaps",
        ] {
            let file = File::open(path).unwrap();
            let stat = Stat::from(fstat(&file).unwrap());
            assert_eq!(stat.state.size, 0, "{path}");
            let mut buffer = [0; BUFFER];
            let source = Source::open(file, stat, &mut buffer).unwrap();
            assert!(source.len() > 0, "{path}");
            let file = File::open(path).unwrap();
            let (content, complete, changed) = read(file, stat);
            assert!(!content.is_empty(), "{path}");
            assert_eq!((complete, changed), (true, false), "{path}");
        }
    }

    #[test]
    fn a_file_that_is_shorter_than_the_system_says_has_the_length_that_is_read() {
        // One page by its state, one line by its content.
        let path = "/sys/kernel/mm/transparent_hugepage/enabled";
        let Ok(content) = std::fs::read(path) else {
            return;
        };
        let file = File::open(path).unwrap();
        let stat = Stat::from(fstat(&file).unwrap());
        assert!(stat.state.size > content.len() as u64);
        assert_eq!(read(file, stat), (content, true, false));
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        for (max, fits) in [(10, true), (9, false), (3, false)] {
            let (mut file, _) = file(b"7 bytes");
            let kept = keep(&mut file, b"3 b", 2, max);
            match kept {
                Ok((mut kept, len)) => {
                    let mut content = String::new();
                    kept.read_to_string(&mut content).unwrap();
                    assert_eq!((&*content, len, fits), ("3 b7 bytes", 10, true));
                }
                Err(NoLength::TooLong) => assert!(!fits, "{max}"),
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn a_short_file_that_shrinks_before_its_length_is_promised_is_sent_and_noticed() {
        for (size, left) in [(10, 9), (10, 0), (BUFFER - 1, 1)] {
            let (file, stat) = file(&vec![1; size]);
            file.set_len(left as u64).unwrap();
            assert_eq!(read(file, stat), (vec![1; left], true, true));
        }
    }

    #[test]
    fn less_than_was_promised_is_never_made_up_with_zeros() {
        for (promised, left) in [(3 * BUFFER, BUFFER), (BUFFER + 1, BUFFER), (BUFFER, 0)] {
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
