//! The process that decodes: how it is started and waited for, and what it does.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Instant;

use picture::{Format, Limits, NAMES, Picture};
use program::bounded;
use program::failure::{FAILED, Failure};
use program::say::say;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, dup, write};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::stdio::{stdin, stdout};

use super::args::Work;
use super::confine::{self, Bounds};
use super::source::{Source, cannot_give};
use super::{NAME, args};

/// Most bytes of what the decoder says of a picture.
const MAX_SAID: u64 = 1000;

/// What the standard library says before it ends a process without memory.
const OUT_OF_MEMORY: &str = "memory allocation of";

impl Work {
    /// The option that stands for it.
    fn option(self) -> &'static str {
        match self {
            Self::Icon => "icon",
            Self::Picture => "picture",
        }
    }

    /// What the picture may be.
    fn limits(self) -> Limits {
        match self {
            Self::Icon => Limits::ICON,
            Self::Picture => Limits::PICTURE,
        }
    }

    /// What the decoder may use.
    pub(super) fn bounds(self) -> Bounds {
        match self {
            Self::Icon => Bounds {
                input: 16 << 20,
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

/// Has a picture decoded by a process of its own, which writes the answer.
pub(super) fn run(source: Source, deadline: Instant) -> Result<(), Failure> {
    let work = source.work;
    let failed = cannot_give(&source.name);
    let start = |error: io::Error| Failure::of("cannot start the decoder of pictures")(error);
    let mut child = spawn(source).map_err(start)?;
    let said = child.stderr.take();
    let status = match bounded::wait(&mut child, deadline) {
        Ok(status) => status,
        Err(error) if Errno::from_io_error(&error) == Some(Errno::TIMEDOUT) => {
            return Err(failed.because("it has not been read and decoded in time"));
        }
        Err(error) => return Err(start(error)),
    };
    if status.success() {
        return Ok(());
    }
    // It has ended, so all that it said is there.
    let mut untrusted = Vec::new();
    if let Some(said) = said {
        let _as_far_as_it_goes = said.take(MAX_SAID).read_to_end(&mut untrusted);
    }
    Err(failed.because(why(status, &untrusted, work.bounds())))
}

fn spawn(source: Source) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(NAME).args(["--decode", source.work.option()]);
    if let Some(format) = source.format {
        let name = NAMES.iter().find(|(_, named)| *named == format);
        command.args(name.map(|(name, _)| ["--format", name]).iter().flatten());
    }
    command
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(source.input))
        .stdout(Stdio::inherit())
        .stderr(Stdio::piped())
        // It is killed with its group when the time is over.
        .process_group(0)
        .spawn()
}

/// Why a decoder gave no picture. What it said is not trusted: the picture may have taken it over.
fn why(status: ExitStatus, untrusted: &[u8], bounds: Bounds) -> String {
    let said = text::foreign(
        untrusted
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default(),
    );
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

/// Is the decoder: reads a picture from stdin and writes its pixels to stdout. What it says is read
/// by the process that started it.
pub(super) fn decode(work: args::Work, format: Option<Format>) -> ExitCode {
    let decoded = prepare(work).and_then(|input| {
        let untrusted = read_input(input, work.bounds())?;
        picture::decode(&untrusted, format, &work.limits()).map_err(|error| error.to_string())
    });
    let written = decoded.and_then(|picture| {
        let failed = |error: Errno| format!("the pixels cannot be written: {error}");
        give(&picture).map_err(failed)
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(why);
            ExitCode::from(FAILED)
        }
    }
}

/// Gives up what decoding does not need, before the first byte is read.
fn prepare(work: Work) -> Result<File, String> {
    let failed = |error: io::Error| format!("its decoder cannot be confined: {error}");
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| failed(error.into()))?;
    confine::close_inherited().map_err(failed)?;
    let input: OwnedFd = dup(stdin()).map_err(|error| failed(error.into()))?;
    confine::confine(work.bounds()).map_err(failed)?;
    Ok(input.into())
}

fn read_input(input: File, bounds: Bounds) -> Result<Vec<u8>, String> {
    let mut untrusted = Vec::new();
    // One byte more tells a picture that is too long.
    let read = input
        .take(bounds.input as u64 + 1)
        .read_to_end(&mut untrusted);
    match read {
        Ok(len) if len > bounds.input => Err(format!(
            "it has more than {} MiB, which is the limit",
            bounds.input >> 20
        )),
        Ok(_) => Ok(untrusted),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
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
            Err(Errno::AGAIN) => {
                let fd = stdout();
                let mut polled = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::OUT)];
                let _may_be_interrupted = poll(&mut polled, None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
