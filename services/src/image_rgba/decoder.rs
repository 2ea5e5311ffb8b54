//! The process that decodes: how it is started and waited for, and what it does.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, exit};
use std::sync::Arc;
use std::time::Instant;

use fork::{Fork, fork};
use picture::{Limits, Picture};
use program::bounded;
use program::failure::{FAILED, Failure};
use program::say::say;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::fstat;
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, chdir, getpid, getppid, set_parent_process_death_signal};
use rustix::stdio::{dup2_stderr, dup2_stdin, stdin, stdout};

use super::confine::{self, Bounds};
use super::request::Request;
use super::source::{self, Source};

/// Most bytes of what the decoder says of a picture.
const MAX_SAID: u64 = 1000;

/// Bytes that are read at once where the length of the picture is not known.
const CHUNK_LEN: usize = 64 << 10;

/// What the standard library says before it ends a process without memory.
const OUT_OF_MEMORY: &str = "memory allocation of";

/// What the decoder decodes, which decides its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// The icon of an application.
    Icon,
    /// Any picture.
    Picture,
}

impl Work {
    /// What a request is for.
    fn of(request: &Request) -> Self {
        match request {
            Request::Icon(_) => Self::Icon,
            Request::Stdin(_) | Request::File(_) => Self::Picture,
        }
    }

    /// What the picture may be.
    fn limits(self) -> Limits {
        match self {
            Self::Icon => Limits::ICON,
            Self::Picture => Limits::PICTURE,
        }
    }

    /// What the decoder may use. A picture of 32 bits a pixel that is not compressed fits.
    fn bounds(self) -> Bounds {
        match self {
            Self::Icon => Bounds {
                input: 20 << 20,
                memory: 56 << 20,
                seconds: 10,
            },
            Self::Picture => Bounds {
                input: 192 << 20,
                memory: 640 << 20,
                seconds: 30,
            },
        }
    }
}

/// Has a picture opened and decoded by a process of its own, which writes the answer.
#[expect(
    clippy::exit,
    reason = "a copy of this process must not go on as this one"
)]
pub(super) fn run(request: &Request, deadline: Instant) -> Result<(), Failure> {
    let work = Work::of(request);
    let failed = Failure::new(format_args!("cannot give {request}"));
    let start = |error: io::Error| Failure::of("cannot start the decoder of pictures")(error);
    let (said, says) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| start(error.into()))?;
    // Where the caller ignores SIGCHLD, nobody would know how the decoder has ended (wait(2)).
    signal_hook::flag::register(libc::SIGCHLD, Arc::default()).map_err(start)?;
    let parent = getpid();
    // This program has one thread, so the copy of it is whole. A second start of the program would
    // take longer than decoding an icon.
    let decoder = match fork().map_err(start)? {
        Fork::Child => {
            drop(said);
            exit(decode(request, work, parent, says).into())
        }
        Fork::Parent(pid) => Pid::from_raw(pid).ok_or_else(|| start(Errno::SRCH.into()))?,
    };
    drop(says);
    let status = match bounded::wait_for(decoder, deadline) {
        Ok(status) => status,
        Err(error) if Errno::from_io_error(&error) == Some(Errno::TIMEDOUT) => {
            let why = "it has not been read, decoded and taken by the caller in time";
            return Err(failed.because(why));
        }
        Err(error) => return Err(start(error)),
    };
    match status.success() {
        true => Ok(()),
        false => Err(failed.because(why(status, said, work.bounds()))),
    }
}

/// Why a decoder that has ended gave no picture. What it said is not trusted: the picture may have
/// taken it over.
fn why(status: ExitStatus, said: OwnedFd, bounds: Bounds) -> String {
    let mut untrusted = Vec::new();
    let _as_far_as_it_goes = File::from(said).take(MAX_SAID).read_to_end(&mut untrusted);
    let mut lines = untrusted.split(|byte| *byte == b'\n');
    let said = text::foreign(lines.next().unwrap_or_default());
    match (status.code(), status.signal()) {
        (Some(code), _) if code == i32::from(FAILED) && !said.is_empty() => said,
        (_, Some(libc::SIGXCPU)) => format!(
            "decoding it takes more than {} s of computing time",
            bounds.seconds
        ),
        _ if said.contains(OUT_OF_MEMORY) => format!(
            "decoding it takes more than {} MiB of memory",
            bounds.memory >> 20
        ),
        (_, Some(signal)) => format!("its decoder was ended by signal {signal}"),
        _ => "its decoder failed".to_owned(),
    }
}

/// Is the decoder: opens a picture and writes its pixels to stdout. What it says is read by the
/// process that started it.
fn decode(request: &Request, work: Work, parent: Pid, says: OwnedFd) -> u8 {
    let decoded = prepare(request, work, parent, says).and_then(|source| {
        let untrusted = read_input(work.bounds())?;
        let decoded = picture::decode(&untrusted, source.format, &work.limits());
        decoded.map_err(|error| source.about(error))
    });
    let written = decoded.and_then(|picture| {
        let failed = |error: Errno| format!("the pixels cannot be written: {error}");
        give(&picture).map_err(failed)
    });
    match written {
        Ok(()) => 0,
        Err(why) => {
            say(why);
            FAILED
        }
    }
}

/// Has the picture as stdin, and gives up what decoding does not need before the first byte is
/// read.
fn prepare(request: &Request, work: Work, parent: Pid, says: OwnedFd) -> Result<Source, String> {
    let failed = |error: &dyn Display| format!("its decoder cannot be confined: {error}");
    let own = |done: Result<(), Errno>| done.map_err(|error| failed(&error));
    own(dup2_stderr(&says))?;
    drop(says);
    own(set_parent_process_death_signal(Some(Signal::KILL)))?;
    if getppid() != Some(parent) {
        return Err("nobody waits for it".to_owned());
    }
    let mut source = source::open(request)?;
    if let Some(input) = source.input.take() {
        own(dup2_stdin(&input))?;
    }
    own(chdir("/"))?;
    confine::confine(work.bounds()).map_err(|error| failed(&error))?;
    Ok(source)
}

fn read_input(bounds: Bounds) -> Result<Vec<u8>, String> {
    let failed = |error: Errno| format!("it cannot be read: {error}");
    let size = fstat(stdin()).map_err(failed)?.st_size;
    let size = usize::try_from(size).unwrap_or_default();
    // One byte more tells the end.
    let mut untrusted = Vec::with_capacity(size.min(bounds.input) + 1);
    while untrusted.len() <= bounds.input {
        if untrusted.len() == untrusted.capacity() {
            untrusted.reserve_exact(untrusted.len() / 4 + CHUNK_LEN);
        }
        match read(stdin(), spare_capacity(&mut untrusted)) {
            Ok(0) => return Ok(untrusted),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait(stdin(), PollFlags::IN),
            Err(error) => return Err(failed(error)),
        }
    }
    Err(format!(
        "it has more than {} MiB, which is the limit",
        bounds.input >> 20
    ))
}

/// Writes the answer: width and height in decimal, then the pixels.
fn give(picture: &Picture) -> Result<(), Errno> {
    let header = format!("{} {}\n", picture.width, picture.height);
    [header.as_bytes(), &picture.rgba]
        .into_iter()
        .try_for_each(write_all)
}

fn write_all(mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match write(stdout(), bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait(stdout(), PollFlags::OUT),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until a descriptor that does not block can be read or written.
fn wait(fd: BorrowedFd<'_>, until: PollFlags) {
    let mut polled = [PollFd::from_borrowed_fd(fd.as_fd(), until)];
    let _may_be_interrupted = poll(&mut polled, None);
}
