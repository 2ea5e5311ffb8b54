//! The two directions of a service's data: sockets or pipes, or, in scripts, plain files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// Where data comes from.
#[derive(Debug)]
pub enum Source {
    /// As qrexec gives it to a local program or a service.
    Socket(UnixStream),
    /// As one gives it to a client that runs no local program.
    Pipe(pipe::Receiver),
    /// Always ready.
    File(File),
}

/// Where data goes. Dropping it ends this direction, which is how the other end learns that this
/// was all.
#[derive(Debug)]
pub enum Sink {
    /// As qrexec gives it to a local program or a service.
    Socket(UnixStream),
    /// As one gives it to a client that runs no local program.
    Pipe(pipe::Sender),
    /// Always ready.
    File(File),
}

impl Source {
    /// What stdin was. The number 0 is `/dev/null` from now on.
    ///
    /// # Errors
    /// Stdin is closed, or a limit is reached.
    pub fn stdin() -> io::Result<Self> {
        let fd = io::stdin().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Self::new(fd)
    }

    /// Takes `fd`, and makes it non-blocking if it can be. There has to be a runtime.
    ///
    /// # Errors
    /// It is not readable, or a limit is reached.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(match file_type(&fd)? {
            FileType::Socket => Self::Socket(socket(fd)?),
            FileType::Fifo => Self::Pipe(pipe::Receiver::from_owned_fd(fd)?),
            _ => Self::File(fd.into()),
        })
    }

    /// Reads what there is, at most `buffer`; 0 at end of input.
    ///
    /// # Errors
    /// Those of `read(2)`.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.read(buffer).await,
            Self::Pipe(pipe) => pipe.read(buffer).await,
            Self::File(file) => file.read(buffer),
        }
    }

    /// Reads until `buffer` is full or the input ends; how much that was.
    ///
    /// # Errors
    /// Those of `read(2)`.
    pub async fn read_full(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]).await? {
                0 => break,
                some => filled += some,
            }
        }
        Ok(filled)
    }
}

impl Sink {
    /// What stdout was. The number 1 is `/dev/null` from now on, so that nothing else can get
    /// between the bytes of a protocol, and so that dropping the sink closes it.
    ///
    /// # Errors
    /// Stdout is closed, or a limit is reached.
    pub fn stdout() -> io::Result<Self> {
        let fd = io::stdout().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
        Self::new(fd)
    }

    /// Takes `fd`, and makes it non-blocking if it can be. There has to be a runtime.
    ///
    /// # Errors
    /// It is not writable, or a limit is reached.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(match file_type(&fd)? {
            FileType::Socket => Self::Socket(socket(fd)?),
            FileType::Fifo => Self::Pipe(pipe::Sender::from_owned_fd(fd)?),
            _ => Self::File(fd.into()),
        })
    }

    /// Writes all of `bytes`, in one write if they fit.
    ///
    /// # Errors
    /// Those of `write(2)`: `EPIPE` when nobody reads any more.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.write_all(bytes).await,
            Self::Pipe(pipe) => pipe.write_all(bytes).await,
            Self::File(file) => file.write_all(bytes),
        }
    }
}

impl Sink {
    /// Nobody will ever read what is written from now on. Of one socket that is both directions, the
    /// other end may have closed its own only.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        let mut polled = [PollFd::new(self, PollFlags::empty())];
        let gone = PollFlags::HUP | PollFlags::ERR;
        poll(&mut polled, Some(&Timespec::default())).is_ok()
            && polled[0].revents().intersects(gone)
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(socket) => socket.as_fd(),
            Self::Pipe(pipe) => pipe.as_fd(),
            Self::File(file) => file.as_fd(),
        }
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(socket) => socket.as_fd(),
            Self::Pipe(pipe) => pipe.as_fd(),
            Self::File(file) => file.as_fd(),
        }
    }
}

impl Drop for Sink {
    /// Closing is not enough where stdin and stdout are one socket, as under inetd.
    fn drop(&mut self) {
        if let Self::Socket(socket) = self {
            let _the_other_end_may_be_gone = shutdown(&*socket, Shutdown::Write);
        }
    }
}

fn file_type(fd: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode))
}

fn socket(fd: OwnedFd) -> io::Result<UnixStream> {
    let socket = std::os::unix::net::UnixStream::from(fd);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom};

    use super::*;

    fn run<T>(task: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(task)
    }

    fn pairs() -> [(OwnedFd, OwnedFd); 2] {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        [(near.into(), far.into()), (read, write)]
    }

    #[test]
    fn more_than_the_kernel_holds_passes() {
        for (read, write) in pairs() {
            run(async {
                let mut source = Source::new(read).unwrap();
                let mut sink = Sink::new(write).unwrap();
                let sent = vec![7; 3_000_000];
                let mut received = vec![0; sent.len() + 1];
                let send = async {
                    sink.write_all(&sent).await.unwrap();
                    drop(sink);
                };
                let ((), count) = tokio::join!(send, source.read_full(&mut received));
                assert_eq!(&received[..count.unwrap()], sent);
            });
        }
    }

    #[test]
    fn a_plain_file_is_read_and_written_too() {
        run(async {
            let mut file = tempfile::tempfile().unwrap();
            let mut sink = Sink::new(file.try_clone().unwrap().into()).unwrap();
            sink.write_all(b"content").await.unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            let mut source = Source::new(file.into()).unwrap();
            let mut buffer = [0; 16];
            assert_eq!(source.read_full(&mut buffer).await.unwrap(), 7);
            assert_eq!(&buffer[..7], b"content");
        });
    }

    #[test]
    fn a_reader_that_went_away_is_an_error() {
        for (read, write) in pairs() {
            drop(read);
            run(async {
                let mut sink = Sink::new(write).unwrap();
                let error = sink.write_all(b"x").await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            });
        }
    }

    #[test]
    fn a_sink_knows_that_nobody_reads_any_more() {
        for (read, write) in pairs() {
            run(async {
                let sink = Sink::new(write).unwrap();
                assert!(!sink.is_given_up());
                drop(read);
                assert!(sink.is_given_up());
            });
        }
        run(async {
            let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
            let sink = Sink::new(near.into()).unwrap();
            far.shutdown(std::net::Shutdown::Write).unwrap();
            assert!(!sink.is_given_up());
            let file = tempfile::tempfile().unwrap();
            assert!(!Sink::new(file.into()).unwrap().is_given_up());
        });
    }

    #[test]
    fn a_dropped_sink_is_the_end_of_input_even_if_a_source_has_the_same_socket() {
        run(async {
            let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
            let _source = Source::new(near.try_clone().unwrap().into()).unwrap();
            drop(Sink::new(near.into()).unwrap());
            let mut end = Source::new(far.into()).unwrap();
            assert_eq!(end.read(&mut [0]).await.unwrap(), 0);
        });
    }

    #[test]
    fn a_dropped_sink_is_the_end_of_input() {
        for (read, write) in pairs() {
            run(async {
                drop(Sink::new(write).unwrap());
                let mut source = Source::new(read).unwrap();
                assert_eq!(source.read(&mut [0]).await.unwrap(), 0);
            });
        }
    }
}
