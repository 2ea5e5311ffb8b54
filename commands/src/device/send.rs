//! `qvm-copy-to-device`: files and folders → a stream of `qfile-agent` → the device.
//!
//! The agent gets its verdict from here, when the stream is on the device. Only when the agent then
//! says that the stream is what it sent is the device marked as complete.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdout, Command, ExitCode, Stdio};

use program::failure::{Failure, end};
use program::programs;
use program::say::say;
use qfile_proto::Verdict;
use quantity::{bytes, entries};
use raw_device::{Digest, Number, STREAM_AT, Source, StreamEnd, Writer};
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::system::uname;
use transfer::result_line::{Outcome, ResultLine};
use walk::{ArgumentError, Arguments};

use crate::device::args::{TO_DEVICE, ToDevice, parse};
use crate::device::child::{Cancelled, Program, keep_children};
use crate::device::medium::{Device, Use};
use crate::device::permission;
use crate::device::pieces::{PIECE_LEN, Pieces};
use crate::device::progress::Progress;
use crate::report::{self, push_rows};
use crate::survey::{Rules, Survey};

/// After so many bytes the kernel is told to begin to write them: the sync has little left to do then,
/// and what progress shows is true.
const BEGIN_EVERY: u64 = 8 << 20;

const WRITE_AGAIN: &str = "the transfer on the device is not complete; write it again";

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    match parse() {
        Ok(typed) => end(TO_DEVICE, send(&typed)),
        Err(failure) => end(TO_DEVICE, Err(failure)),
    }
}

fn send(typed: &ToDevice) -> Result<(), Failure> {
    keep_children().map_err(Failure::of("cannot wait for other programs"))?;
    let arguments =
        Arguments::new(typed.files.iter().cloned()).map_err(|error| argument(&error))?;
    let device = Device::open(&typed.device, Use::Send)?;
    let rules = Rules {
        links: typed.links(),
        skip_refused: typed.skip_refused,
        ..Rules::default()
    };
    let survey = Survey::of(&arguments, rules);
    check_names(&survey, typed.allow_all_names)?;
    permission::check_room(&device, survey.stream_bytes)?;
    permission::clear(&device, typed.overwrite)?;
    if let Some(warning) = report::left_out(&survey) {
        say(format_args!("{TO_DEVICE}: {warning}"));
    }
    let outcome = transfer(typed, &device, survey.stream_bytes)?;
    if typed.has_progress() {
        say(format_args!(
            "{TO_DEVICE}: {}, {}, stored on {}, which can be removed now",
            entries(survey.files, survey.folders, survey.links),
            bytes(survey.bytes),
            device.shown()
        ));
    }
    match outcome {
        Outcome::Complete => Ok(()),
        _ => Err(
            Failure::new("some files were left out; they are named above")
                .with_status(Outcome::Partial.status()),
        ),
    }
}

fn argument(error: &ArgumentError) -> Failure {
    let failure = Failure::new(error).advise(error.advice());
    match error {
        ArgumentError::Start(_) => failure,
        _ => failure.with_status(Outcome::Usage.status()),
    }
}

/// Refuses what a reader would refuse, all of it at once: there is no policy to ask.
fn check_names(survey: &Survey, allow_all_names: bool) -> Result<(), Failure> {
    let mut tables = Vec::new();
    if survey.prevents_copy() {
        tables.push(report::refusals(survey));
    }
    if survey.needs_all_names() && !allow_all_names {
        let mut table = "names that are not safe for display:".to_owned();
        for (finding, rows) in survey.findings().filter(|(finding, _)| finding.is_unsafe()) {
            let advice = "rename it, or use --allow-all-names, which the reader must use too";
            push_rows(&mut table, report::heading(finding), rows, advice);
        }
        tables.push(table);
    }
    if survey.is_empty() && tables.is_empty() {
        tables.push("there is nothing to write".to_owned());
    }
    match tables.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "nothing was written: {}",
            tables.join("\n")
        ))),
    }
}

fn transfer(typed: &ToDevice, device: &Device, stream_bytes: u64) -> Result<Outcome, Failure> {
    let writing = |error: io::Error| writing_failed(device, &error);
    let number = random_number().map_err(Failure::of("cannot get a random number"))?;
    let source = typed.source.clone().unwrap_or_else(|| {
        let host = uname();
        Source::of_host(host.nodename().to_bytes())
    });
    let progress = Progress::new(stream_bytes, typed.has_progress());
    let agent = Agent::start(typed, &progress)?;
    let cancelled = match agent.program.cancel_with_signals() {
        Ok(cancelled) => cancelled,
        Err(error) => {
            agent.program.end();
            return Err(Failure::new("cannot wait for signals").because(error));
        }
    };
    let mut result = Writer::begin(device, number, source)
        .map_err(writing)
        .and_then(|writer| write(writer, device, agent, &progress, &cancelled));
    progress.clear();
    if cancelled.is_set() && result.is_err() {
        result = Err(Failure::new("cancelled")
            .advise(WRITE_AGAIN)
            .with_status(Outcome::Cancelled.status()));
    }
    result
}

fn write(
    mut writer: Writer<&Device>,
    device: &Device,
    mut agent: Agent,
    progress: &Progress,
    cancelled: &Cancelled,
) -> Result<Outcome, Failure> {
    let written = match copy(&mut writer, device, &mut agent.stream, progress) {
        Ok(written) => written,
        Err(error) => {
            agent.program.end();
            return Err(writing_failed(device, &error));
        }
    };
    let outcome = match written {
        Some(digest) => agent.confirm(&digest).map(|outcome| (outcome, digest)),
        None => agent
            .stopped()
            .map_or(Err(None), |outcome| Err(Some(outcome))),
    };
    match outcome {
        Ok((outcome @ (Outcome::Complete | Outcome::Partial), digest)) if !cancelled.is_set() => {
            let completed = writer.complete(digest);
            completed.map_err(|error| writing_failed(device, &error))?;
            Ok(outcome)
        }
        Ok((outcome, _)) | Err(Some(outcome)) => {
            let status = match outcome {
                Outcome::Complete | Outcome::Partial => Outcome::Failed,
                other => other,
            };
            Err(
                Failure::new(format!("the files are not on {}", device.shown()))
                    .advise(WRITE_AGAIN)
                    .with_status(status.status()),
            )
        }
        Err(None) => Err(Failure::new("qfile-agent ended without saying why").advise(WRITE_AGAIN)),
    }
}

/// Writes the stream up to its end, and syncs it; `None` if it was cut.
fn copy(
    writer: &mut Writer<&Device>,
    device: &Device,
    stream: &mut ChildStdout,
    progress: &Progress,
) -> io::Result<Option<Digest>> {
    let pieces = Pieces::start()?;
    let mut end = StreamEnd::default();
    let (mut written, mut begun) = (0, 0);
    while end.end().is_none() {
        let mut piece = pieces.empty()?;
        let mut len = 0;
        while len < PIECE_LEN && end.end().is_none() {
            match stream.read(&mut piece[len..]) {
                Ok(0) => return Ok(None),
                Ok(count) => {
                    end.push(&piece[len..len + count]);
                    len += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        writer.push(&piece[..len])?;
        pieces.digest(piece, len)?;
        written += len as u64;
        if written - begun >= BEGIN_EVERY {
            device.begin_writing(STREAM_AT + begun, written - begun);
            begun = written;
        }
        progress.show(written);
    }
    progress.wait_for("writing to the device");
    writer.sync()?;
    let digest = pieces.finish()?;
    // Nothing comes behind the end of a stream that an agent makes.
    Ok((end.end() == Some(written)).then_some(digest))
}

fn writing_failed(device: &Device, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("cannot write to {}", device.shown()));
    match error.kind() {
        io::ErrorKind::StorageFull if error.raw_os_error().is_none() => failure
            .because("there is no room for the files on it")
            .advise("files became longer while they were copied, or the device is too small"),
        _ => failure.because(error).advise(WRITE_AGAIN),
    }
}

fn random_number() -> io::Result<Number> {
    let mut bytes = [0; 16];
    // So few bytes come all at once (getrandom(2)).
    match getrandom(&mut bytes, GetRandomFlags::empty())? {
        16 => Ok(Number(bytes)),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// `qfile-agent` at work.
#[derive(Debug)]
struct Agent {
    program: Program,
    stream: ChildStdout,
    /// Its stdin: the verdict there, and its result line back.
    answer: UnixStream,
}

impl Agent {
    fn start(typed: &ToDevice, progress: &Progress) -> Result<Self, Failure> {
        let agent = programs::find("qfile-agent");
        let attempted = format!("cannot start {}", text::file(&agent));
        if !agent.is_file() {
            return Err(Failure::new(attempted)
                .because("it is missing")
                .advise("install the package qfile, which has it"));
        }
        let mut command = Command::new(&agent);
        // Signals for all of a process group, Ctrl-C among them, are this program's, which says what
        // has become of the device.
        command.process_group(0);
        command.args(["--result-fd", "0"]);
        match typed.links() {
            walk::Links::Send => {}
            walk::Links::Ignore => drop(command.arg("--ignore-symlinks")),
            walk::Links::Follow => drop(command.arg("--dereference")),
        }
        if typed.skip_refused {
            command.arg("--skip-refused");
        }
        command.arg("--").args(&typed.files);
        command.env_remove("PROGRESS_TYPE");
        let mut start = || -> io::Result<(Program, UnixStream)> {
            let (answer, stdin) = UnixStream::pair()?;
            command.stdin(Stdio::from(OwnedFd::from(stdin)));
            command.stdout(Stdio::piped());
            Ok((Program::start(&mut command, progress)?, answer))
        };
        let (mut program, answer) = start().map_err(Failure::of(&attempted))?;
        // This side of its stdin is closed with it, so that the end of the agent is seen.
        drop(command);
        match program.child.stdout.take() {
            Some(stream) => Ok(Self {
                program,
                stream,
                answer,
            }),
            None => Err(Failure::new(attempted)),
        }
    }

    /// Tells it that its stream is on the device; what it says then. `None` if it says nothing.
    fn confirm(mut self, digest: &Digest) -> Result<Outcome, Option<Outcome>> {
        let verdict = Verdict {
            error_code: 0,
            crc32: digest.crc32.into(),
            untrusted_last_name: None,
        };
        // If it has ended, it has said why.
        let _said_below = self.answer.write_all(&verdict.to_bytes());
        self.stopped().ok_or(None)
    }

    /// What it says at its end.
    fn stopped(mut self) -> Option<Outcome> {
        let _has_ended = self.answer.shutdown(Shutdown::Write);
        let line = ResultLine::read_from(&self.answer);
        self.program.wait();
        line.ok().flatten().map(|line| line.outcome)
    }
}
