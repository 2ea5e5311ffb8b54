//! One direction of a call: bytes from one side to the other, through a buffer of fixed size.

use std::fs::File;
use std::io::{self, IsTerminal, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::task;

use crate::channel::{Sink, Source};

/// How bytes are passed on.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Most bytes on the way.
    pub buffer_size: usize,
    /// Replace what a terminal would obey.
    pub only_printable: bool,
    /// How many bytes have been passed on so far.
    pub passed: Arc<AtomicU64>,
}

/// The usual number of bytes on the way, in each direction.
pub const BUFFER_SIZE: usize = 256 * 1024;

/// Passes on what `from` gives until it ends, and then that it has ended.
///
/// When nobody reads any more (`to` fails, or the process behind it has ended), the writer does not
/// notice before the call ends: what it writes from then on is dropped, as with qrexec.
pub async fn relay(
    mut from: End<Source>,
    to: End<Sink>,
    reader_ended: impl Future<Output = ()>,
    manner: Manner,
) {
    let buffer_size = manner.buffer_size;
    let passed_on = tokio::select! {
        passed_on = pass_on(&mut from, to, manner) => passed_on,
        () = reader_ended => Err(io::ErrorKind::BrokenPipe.into()),
    };
    if passed_on.is_err() {
        drain(&mut from.channel, buffer_size).await;
    }
}

/// Replaces all but printable ASCII, tabs and newlines.
pub fn make_printable(text: &mut [u8]) {
    for byte in text {
        if !matches!(*byte, b' '..=b'~' | b'\t' | b'\n') {
            *byte = b'_';
        }
    }
}

/// The service's stderr arrives on the caller's. In a thread of its own: a terminal or pipe that
/// takes nothing more must not hold up the streams, and stderr cannot be made non-blocking for all
/// who share it.
pub fn forward_stderr(pipe: OwnedFd, only_printable: bool) {
    let mut pipe = File::from(pipe);
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        let mut text = buffer[..count].to_vec();
        if only_printable {
            text = without_carriage_returns(&text);
            make_printable(&mut text);
        }
        // If nobody reads it the service shall not notice that.
        let _nobody_reads = io::stderr().write_all(&text);
    }
}

/// Lines that end as ssh ends its own, CR LF, end in LF.
fn without_carriage_returns(text: &[u8]) -> Vec<u8> {
    let next = text.iter().skip(1).map(Some).chain([None]);
    let kept = text.iter().zip(next);
    let kept = kept.filter(|(byte, next)| (**byte, *next) != (b'\r', Some(&b'\n')));
    kept.map(|(byte, _)| *byte).collect()
}

/// One end of a stream, which does not block as long as this lives.
#[derive(Debug)]
pub struct End<T: AsFd> {
    channel: T,
    /// What was read from it before it is passed on.
    read_before: Vec<u8>,
    /// What restores the flags of the open file, which others share.
    _flags_after: Option<Arc<FlagsAfter>>,
}

/// The file status flags of open files as they were. They are restored when the last [`End`] that
/// has this is dropped: where two of them are one socket, the second must not block before.
#[derive(Debug)]
pub struct FlagsAfter(Vec<(OwnedFd, OFlag)>);

impl FlagsAfter {
    /// Remembers the flags of `files`.
    ///
    /// # Errors
    /// A limit of this machine is reached.
    pub fn of(files: &[&OwnedFd]) -> io::Result<Arc<Self>> {
        let remembered = files
            .iter()
            .map(|file| Ok((file.try_clone()?, status_flags(file)?)))
            .collect::<io::Result<_>>()?;
        Ok(Arc::new(Self(remembered)))
    }
}

impl Drop for FlagsAfter {
    fn drop(&mut self) {
        for (file, flags) in &self.0 {
            // There is nobody to tell about an error.
            let _still_nonblocking = fcntl(file, FcntlArg::F_SETFL(*flags));
        }
    }
}

impl End<Source> {
    /// Takes an end to read from.
    ///
    /// # Errors
    /// It is not readable, or a limit is reached.
    pub fn source(fd: OwnedFd, flags_after: Option<Arc<FlagsAfter>>) -> io::Result<Self> {
        let channel = if fd.is_terminal() {
            set_nonblocking(&fd)?;
            Source::Pipe(pipe::Receiver::from_owned_fd_unchecked(fd)?)
        } else {
            Source::new(fd)?
        };
        Ok(Self {
            channel,
            read_before: Vec::new(),
            _flags_after: flags_after,
        })
    }
}

impl End<Source> {
    /// Reads what there is, at most `buffer`; 0 at end of input.
    ///
    /// # Errors
    /// Those of `read(2)`.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.channel.read(buffer).await
    }

    /// Puts back what was read and is to be passed on.
    #[must_use]
    pub fn with_read_before(mut self, bytes: Vec<u8>) -> Self {
        self.read_before = bytes;
        self
    }
}

impl End<Sink> {
    /// Takes an end to write to.
    ///
    /// # Errors
    /// It is not writable, or a limit is reached.
    pub fn sink(fd: OwnedFd, flags_after: Option<Arc<FlagsAfter>>) -> io::Result<Self> {
        let channel = if fd.is_terminal() {
            set_nonblocking(&fd)?;
            Sink::Pipe(pipe::Sender::from_owned_fd_unchecked(fd)?)
        } else {
            Sink::new(fd)?
        };
        Ok(Self {
            channel,
            read_before: Vec::new(),
            _flags_after: flags_after,
        })
    }
}

/// Our end to write to, and the other for a child's stdin.
///
/// # Errors
/// A limit of this machine is reached.
pub fn sink_pair() -> io::Result<(End<Sink>, Stdio)> {
    let (ours, theirs) = net::UnixStream::pair()?;
    Ok((End::sink(ours.into(), None)?, OwnedFd::from(theirs).into()))
}

/// Our end to read from, and the other for a child's stdout.
///
/// # Errors
/// A limit of this machine is reached.
pub fn source_pair() -> io::Result<(End<Source>, Stdio)> {
    let (ours, theirs) = net::UnixStream::pair()?;
    Ok((
        End::source(ours.into(), None)?,
        OwnedFd::from(theirs).into(),
    ))
}

fn status_flags(fd: &OwnedFd) -> io::Result<OFlag> {
    Ok(OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?))
}

fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    let flags = status_flags(fd)? | OFlag::O_NONBLOCK;
    fcntl(fd, FcntlArg::F_SETFL(flags))?;
    Ok(())
}

async fn pass_on(from: &mut End<Source>, mut to: End<Sink>, manner: Manner) -> io::Result<()> {
    let mut read_before = std::mem::take(&mut from.read_before);
    manner.write(&mut read_before, &mut to.channel).await?;
    let from = &mut from.channel;
    let spliced = match (&*from, &to.channel) {
        (Source::Socket(from), Sink::Socket(to)) if !manner.only_printable => {
            splice_through(from, to, &manner).await
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    match spliced {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            copy_through(from, &mut to.channel, &manner).await
        }
        ended_or_broken => ended_or_broken,
    }
}

impl Manner {
    async fn write(&self, bytes: &mut [u8], to: &mut Sink) -> io::Result<()> {
        if self.only_printable {
            make_printable(bytes);
        }
        to.write_all(bytes).await?;
        self.count(bytes.len());
        Ok(())
    }

    fn count(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.passed.fetch_add(bytes, Ordering::Relaxed);
    }
}

async fn copy_through(from: &mut Source, to: &mut Sink, manner: &Manner) -> io::Result<()> {
    let mut buffer = vec![0; manner.buffer_size];
    // A read error, of a folder for example, ends a stream as well.
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        manner.write(&mut buffer[..count], to).await?;
    }
    Ok(())
}

/// Between sockets the kernel moves the pages through a pipe: half the time of copying. Where it
/// cannot, `InvalidInput` comes before the first byte.
async fn splice_through(from: &UnixStream, to: &UnixStream, manner: &Manner) -> io::Result<()> {
    let size = manner.buffer_size;
    let (pages_out, pages_in) = pipe2(OFlag::O_CLOEXEC)?;
    // More than an ordinary user may have leaves it at 64 KiB.
    let capacity = FcntlArg::F_SETPIPE_SZ(i32::try_from(size).unwrap_or(i32::MAX));
    let _smaller = fcntl(&pages_in, capacity);
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    let fill = || Ok(splice(from, None, &pages_in, None, size, flags)?);
    loop {
        let mut filled = match from.async_io(Interest::READABLE, fill).await {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Ok(0) | Err(_) => return Ok(()),
            Ok(filled) => filled,
        };
        while filled > 0 {
            let empty = || Ok(splice(&pages_out, None, to, None, filled, flags)?);
            let emptied = to.async_io(Interest::WRITABLE, empty).await?;
            manner.count(emptied);
            filled -= emptied;
        }
    }
}

async fn drain(from: &mut Source, buffer_size: usize) {
    let mut buffer = vec![0; buffer_size];
    while from.read(&mut buffer).await.is_ok_and(|count| count > 0) {
        // A file is always ready: without this nothing else would ever run.
        task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carriage_return_is_dropped_at_the_end_of_a_line_only() {
        assert_eq!(without_carriage_returns(b"a\r\nb\rc\n\r"), b"a\nb\rc\n\r");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_printable() {
        let mut text: Vec<u8> = (0..=255).collect();
        make_printable(&mut text);
        for (byte, shown) in (0..=255_u8).zip(text) {
            let is_kept = matches!(byte, b' '..=b'~' | b'\t' | b'\n');
            assert_eq!(shown, if is_kept { byte } else { b'_' });
        }
    }
}
