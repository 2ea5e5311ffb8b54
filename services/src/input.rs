//! Where an archive comes from: a file, in which members are left out by seeking, or a pipe, in
//! which they are read.

use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::io::Errno;
use rustix::stdio::{stdin, stdout};
use transfer::{BUFFER_LEN, Receiver};

/// An archive, read from its beginning to its end.
pub trait Input: BufRead {
    /// Goes on `count` bytes later.
    ///
    /// # Errors
    /// `UnexpectedEof` if there are not that many; those of reading and seeking.
    fn skip(&mut self, count: u64) -> io::Result<()>;
}

/// An archive that can be sought in.
#[derive(Debug)]
pub struct Seekable<R>(BufReader<R>);

/// An archive that comes as it comes.
#[derive(Debug)]
pub struct Flowing<R>(BufReader<R>);

/// A pipe or a socket that is waited for together with the receiver: one that has had what it
/// wanted, or is gone, must not have to wait until the archive goes on.
#[derive(Debug)]
pub struct Pipe<'r> {
    /// What is read.
    pub file: File,
    /// Who may answer meanwhile.
    pub receiver: &'r Receiver,
}

/// True if members of the archive can be left out by seeking.
///
/// # Errors
/// Those of fstat(2).
pub fn is_seekable(file: &File) -> io::Result<bool> {
    let kind = file.metadata()?.file_type();
    Ok(kind.is_file() || kind.is_block_device())
}

/// True if stdin brings the answers of the receiver: it is the socket that is also stdout, or a
/// socket of qrexec-client-vm, which sets `SAVED_FD_0` for the program that it starts. No archive
/// would ever arrive there.
#[must_use]
pub fn stdin_is_the_receivers() -> bool {
    let (Ok(input), Ok(output)) = (fstat(stdin()), fstat(stdout())) else {
        return false;
    };
    let is_socket = FileType::from_raw_mode(input.st_mode) == FileType::Socket;
    let is_stdout = (input.st_dev, input.st_ino) == (output.st_dev, output.st_ino);
    is_socket && (is_stdout || env::var_os("SAVED_FD_0").is_some())
}

/// Opens an archive. A FIFO that nobody writes to is waited for when it is read, together with the
/// receiver, and not here.
///
/// # Errors
/// Those of open(2).
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

impl<R: Read + Seek> Seekable<R> {
    /// Reads `file` from where it stands.
    pub fn new(file: R) -> Self {
        Self(BufReader::with_capacity(BUFFER_LEN, file))
    }
}

impl<R: Read> Flowing<R> {
    /// Reads `pipe`.
    pub fn new(pipe: R) -> Self {
        Self(BufReader::with_capacity(BUFFER_LEN, pipe))
    }
}

impl<R: Read + Seek> Input for Seekable<R> {
    /// Seeks to the last of the bytes and reads it: seeking alone would also go beyond the end.
    fn skip(&mut self, count: u64) -> io::Result<()> {
        let Some(before_last) = count.checked_sub(1) else {
            return Ok(());
        };
        // EINVAL, EOVERFLOW: no file is so long.
        let beyond = |_| io::Error::from(io::ErrorKind::UnexpectedEof);
        let before_last = i64::try_from(before_last).map_err(|_| beyond(()))?;
        self.0
            .seek_relative(before_last)
            .map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::INVAL | Errno::OVERFLOW) => beyond(()),
                _ => error,
            })?;
        self.0.read_exact(&mut [0])
    }
}

impl<R: Read> Input for Flowing<R> {
    fn skip(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let len = match self.0.fill_buf() {
                Ok(bytes) => bytes.len(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let taken = usize::try_from(count).map_or(len, |count| count.min(len));
            self.0.consume(taken);
            count -= taken as u64;
        }
        Ok(())
    }
}

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.receiver.wait_for_input(&self.file)?;
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }
}

impl<R: Read> Read for Seekable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> BufRead for Seekable<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.0.consume(count);
    }
}

impl<R: Read> Read for Flowing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> BufRead for Flowing<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.0.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Skips, then reads one byte.
    fn after(mut input: impl Input, count: u64) -> io::Result<u8> {
        input.skip(count)?;
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    #[test]
    fn both_skip_alike_and_neither_beyond_the_end() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        for count in [0_u64, 1, 511, 512, 300_000, (1 << 20) - 1] {
            let expected = count.to_le_bytes()[0];
            assert_eq!(
                after(Seekable::new(Cursor::new(&bytes)), count).unwrap(),
                expected
            );
            assert_eq!(after(Flowing::new(&bytes[..]), count).unwrap(), expected);
        }
        for count in [(1 << 20) + 1, 1 << 40, i64::MAX.unsigned_abs()] {
            let errors = [
                after(Seekable::new(Cursor::new(&bytes)), count).unwrap_err(),
                after(Flowing::new(&bytes[..]), count).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{count}");
            }
        }
    }
}
