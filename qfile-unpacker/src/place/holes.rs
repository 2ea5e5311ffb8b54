//! Writing content so that runs of zeros become holes.

use std::num::NonZero;
use std::os::fd::OwnedFd;

use rustix::fs::{fadvise, ftruncate, Advice};
use rustix::io::{pwrite, Errno, Result};

/// What a file system allocates at once; cutting finer would save nothing.
const BLOCK: u64 = 4096;

/// After so many bytes the disk is told to begin: it writes while more arrives, and the sync before
/// the verdict has less left to do.
const WRITE_BACK: u64 = 8 << 20;

/// Puts content into a new, empty file from its start to its end.
#[derive(Debug)]
pub(super) struct Writer {
    at: u64,
    /// How far the file reaches, which is less than `at` after a hole.
    end: u64,
    /// How far the disk has been told to write.
    told: u64,
    leaves_holes: bool,
}

impl Writer {
    pub(super) fn new(leaves_holes: bool) -> Self {
        Self {
            at: 0,
            end: 0,
            told: 0,
            leaves_holes,
        }
    }

    /// Writes the next piece of content, however long.
    pub(super) fn write(&mut self, file: &OwnedFd, mut content: &[u8]) -> Result<()> {
        while !content.is_empty() {
            let zeros = if self.leaves_holes {
                self.leading(content, true)
            } else {
                0
            };
            self.at += zeros as u64;
            content = &content[zeros..];
            let data = if self.leaves_holes {
                self.leading(content, false)
            } else {
                content.len()
            };
            self.write_data(file, &content[..data])?;
            content = &content[data..];
            self.begin_writing_back(file);
        }
        Ok(())
    }

    /// Gives the file its full length if it ends in a hole.
    pub(super) fn finish(&self, file: &OwnedFd) -> Result<()> {
        if self.end == self.at {
            return Ok(());
        }
        match ftruncate(file, self.at) {
            // ftruncate(2): some file systems do not let a file grow so. A last zero does it too.
            Err(Errno::PERM | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let mut last = Self {
                    at: self.at - 1,
                    ..*self
                };
                last.write_data(file, &[0])
            }
            result => result,
        }
    }

    /// How much of `content`, in whole blocks of the file as far as it goes, is zeros (or is not).
    fn leading(&self, content: &[u8], zeros: bool) -> usize {
        let mut len = 0;
        while len < content.len() {
            let to_boundary = BLOCK - (self.at + len as u64) % BLOCK;
            let left = content.len() - len;
            let piece = usize::try_from(to_boundary).map_or(left, |bytes| bytes.min(left));
            if is_zero(&content[len..len + piece]) != zeros {
                break;
            }
            len += piece;
        }
        len
    }

    fn begin_writing_back(&mut self, file: &OwnedFd) {
        let len = self.end.saturating_sub(self.told);
        if len >= WRITE_BACK {
            // "Not needed" starts the writing of what is dirty, and returns. Nothing depends on it.
            let _ = fadvise(file, self.told, NonZero::new(len), Advice::DontNeed);
            self.told = self.end;
        }
    }

    fn write_data(&mut self, file: &OwnedFd, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            match pwrite(file, data, self.at) {
                Ok(0) => return Err(Errno::IO),
                Ok(count) => {
                    self.at += count as u64;
                    self.end = self.at;
                    data = &data[count..];
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

/// Gives up at the first byte that is not zero, and else runs as fast as `memcmp`.
fn is_zero(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [first, rest @ ..] => *first == 0 && bytes[..rest.len()] == *rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;

    /// Writes `content` in pieces of `piece` bytes and reads it back; also the blocks it takes.
    fn written(content: &[u8], piece: usize, leaves_holes: bool) -> (Vec<u8>, u64) {
        let mut file = tempfile::tempfile().unwrap();
        let fd = OwnedFd::from(file.try_clone().unwrap());
        let mut writer = Writer::new(leaves_holes);
        for chunk in content.chunks(piece) {
            writer.write(&fd, chunk).unwrap();
        }
        writer.finish(&fd).unwrap();
        let mut back = Vec::new();
        file.read_to_end(&mut back).unwrap();
        file.sync_all().unwrap();
        (back, file.metadata().unwrap().blocks())
    }

    #[test]
    fn content_comes_back_whatever_the_pieces() {
        let mut content = vec![0; 40_000];
        content[0] = 1;
        content[9_000..9_100].fill(7);
        content[20_480] = 9;
        for piece in [1, 3, 511, 4096, 4097, 10_000, 40_000] {
            for leaves_holes in [true, false] {
                assert_eq!(written(&content, piece, leaves_holes).0, content, "{piece}");
            }
        }
        assert_eq!(written(&[], 1, true).0, []);
        assert_eq!(written(&[0; 5000], 5000, true).0, [0; 5000]);
    }

    #[test]
    fn content_that_goes_to_the_disk_in_several_parts_comes_back() {
        let len = usize::try_from(2 * WRITE_BACK).unwrap() + 5;
        let mut content: Vec<u8> = (1..=251).cycle().take(len).collect();
        content[len / 3..len / 2].fill(0);
        assert!(written(&content, 100_000, true).0 == content);
    }

    #[test]
    fn zeros_take_no_room() {
        let mut content = vec![0; 1 << 20];
        content[500_000] = 1;
        let (_, blocks) = written(&content, 65_536, true);
        assert!(blocks <= 16, "{blocks} blocks of 512 bytes");
        let (_, blocks) = written(&content, 65_536, false);
        assert!(blocks >= 2048, "{blocks} blocks of 512 bytes");
    }

    #[test]
    fn zero_is_only_what_is_all_zeros() {
        assert!(is_zero(&[]) && is_zero(&[0]) && is_zero(&[0; 4096]));
        for at in [0, 1, 7, 8, 4094, 4095] {
            let mut block = [0; 4096];
            block[at] = 1;
            assert!(!is_zero(&block), "{at}");
        }
    }
}
