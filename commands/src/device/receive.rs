//! `qvm-copy-from-device`: the device → a stream → `qfile-unpacker` in its jail.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::process::{ChildStdin, Command, ExitCode, Stdio};

use program::failure::{Failure, end};
use program::programs;
use program::say::say;
use qfile_proto::verdict::{MAX_LAST_NAME_LEN, VerdictParser};
use qfile_proto::{SafeName, Verdict};
use raw_device::answer::WRONG_DIGEST;
use raw_device::{
    ANSWER_AT, Answer, Digest, Found, HEADER_AT, Medium as _, STREAM_AT, Stream, StreamEnd,
};
use rustix::io::Errno;
use rustix::pipe::fcntl_setpipe_size;
use text::Charset;
use transfer::refusal;
use transfer::verdict::confirm;

use crate::device::args::{FROM_DEVICE, FromDevice, parse};
use crate::device::child::{Program, keep_children};
use crate::device::medium::{Device, Use};
use crate::device::pieces::{PIECE_LEN, Pieces};
use crate::device::progress::Progress;

/// What the pipe to the receiver is asked to hold, in bytes; the most that it may without privileges
/// (pipe(7)).
const PIPE_LEN: usize = 1024 * 1024;

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    match parse() {
        Ok(typed) => end(FROM_DEVICE, receive(&typed)),
        Err(failure) => end(FROM_DEVICE, Err(failure)),
    }
}

fn receive(typed: &FromDevice) -> Result<(), Failure> {
    keep_children().map_err(Failure::of("cannot wait for other programs"))?;
    let device = Device::open(&typed.device, Use::Receive)?;
    let header = device
        .block(HEADER_AT)
        .map_err(Failure::of(format!("cannot read {}", device.shown())))?;
    let nothing =
        |why: &str| Failure::new(format!("cannot receive from {}", device.shown())).because(why);
    let (header, stream) = match Found::read(&header, device.capacity) {
        Found::Nothing => {
            return Err(nothing("qvm-copy-to-device has written nothing to it")
                .advise("check that it is the right device; lsblk lists them"));
        }
        Found::Damaged => {
            return Err(nothing("the header on it is damaged")
                .advise("nothing was received; write the files to the device again"));
        }
        Found::Transfer(header) => match header.stream {
            Some(stream) => (header, stream),
            None => {
                return Err(nothing("the transfer on it is not complete")
                    .advise("nothing was received; write the files to the device again"));
            }
        },
    };
    let passed = pass(typed, &device, stream)?;
    if let Some(verdict) = passed.answer() {
        let answer = Answer {
            number: header.number,
            verdict,
        };
        write_answer(&device, &answer);
    }
    passed.judge(&device, &typed.from)?;
    if typed.has_progress() {
        say(format_args!(
            "{FROM_DEVICE}: all files arrived in ~/QubesIncoming/{}",
            typed.from
        ));
    }
    Ok(())
}

/// What became of a stream.
#[derive(Debug)]
struct Passed {
    /// What the header says of it.
    expected: Stream,
    /// What it has; `None` if not all of it could be read.
    digest: Option<Digest>,
    /// Why not.
    unreadable: Option<(u64, io::Error)>,
    /// Where it ends.
    end: Option<u64>,
    /// What the receiver says; `None` if it said nothing.
    verdict: Option<Verdict>,
}

/// Passes the stream on to the receiver.
fn pass(typed: &FromDevice, device: &Device, stream: Stream) -> Result<Passed, Failure> {
    let unpacker = programs::find("qfile-unpacker");
    let attempted = format!("cannot start {}", text::file(&unpacker));
    if !unpacker.is_file() {
        return Err(Failure::new(attempted)
            .because("it is missing")
            .advise("install the package qfile, which has it"));
    }
    let progress = Progress::new(stream.len, typed.has_progress());
    let mut command = Command::new(&unpacker);
    // As rpc/qubes.Filecopy starts it, with this name in the place of a qube's.
    command.arg("--require-isolation=user-namespace");
    if typed.allow_all_names {
        command.arg("--allow-all-names");
    }
    command.env("QREXEC_REMOTE_DOMAIN", &typed.from);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let receiver = Program::start(&mut command, &progress);
    let mut receiver = receiver.map_err(Failure::of(&attempted))?;
    let input = receiver.child.stdin.take();
    let passed = input.map_or(Err(io::ErrorKind::BrokenPipe.into()), |input| {
        read(device, stream, input, &progress)
    });
    let mut passed = match passed {
        Ok(passed) => passed,
        Err(error) => {
            receiver.end();
            return Err(Failure::new("cannot pass the files on").because(error));
        }
    };
    progress.wait_for("the receiver is writing to disk");
    passed.verdict = receiver.child.stdout.take().and_then(verdict);
    receiver.wait();
    progress.clear();
    Ok(passed)
}

/// Reads all of the stream, whether the receiver wants it or not: the digests are those of all of it.
fn read(
    device: &Device,
    stream: Stream,
    input: ChildStdin,
    progress: &Progress,
) -> io::Result<Passed> {
    let _as_it_is = fcntl_setpipe_size(&input, PIPE_LEN);
    let mut input = Some(input);
    let pieces = Pieces::start()?;
    let mut end = StreamEnd::default();
    let mut done = 0;
    let mut unreadable = None;
    while done < stream.len {
        let mut piece = pieces.empty()?;
        let left = stream.len - done;
        let len = usize::try_from(left).map_or(PIECE_LEN, |left| left.min(PIECE_LEN));
        let at = STREAM_AT.saturating_add(done);
        if let Err(error) = device.file.read_exact_at(&mut piece[..len], at) {
            unreadable = Some((at, error));
            break;
        }
        end.push(&piece[..len]);
        // A receiver that has refused, or has come to the end, reads no more.
        input = input.filter(|mut input| input.write_all(&piece[..len]).is_ok());
        pieces.digest(piece, len)?;
        done += len as u64;
        progress.show(done);
    }
    drop(input);
    let digest = pieces.finish()?;
    Ok(Passed {
        expected: stream,
        digest: unreadable.is_none().then_some(digest),
        unreadable,
        end: end.end(),
        verdict: None,
    })
}

fn verdict(output: impl io::Read) -> Option<Verdict> {
    let mut bytes = Vec::new();
    let most = MAX_LAST_NAME_LEN as u64 + 64;
    output.take(most).read_to_end(&mut bytes).ok()?;
    let mut parser = VerdictParser::default();
    parser.push(&bytes);
    parser.finish()
}

fn write_answer(mut device: &Device, answer: &Answer) {
    if !device.is_writable {
        return;
    }
    let written = device.write_at(&answer.to_block(), ANSWER_AT);
    if let Err(error) = written.and_then(|()| device.sync()) {
        say(format_args!(
            "{FROM_DEVICE}: warning: cannot write the answer to {}: {error}",
            device.shown()
        ));
    }
}

impl Passed {
    /// What is wrong with the stream itself, whatever the receiver says of it.
    fn fault(&self) -> Option<&'static str> {
        let expected = self.expected;
        match self.digest {
            None => Some("not all of it could be read"),
            Some(digest) if digest.sha256 != expected.digest.sha256 => {
                Some("its SHA-256 differs from the one in the header")
            }
            Some(digest) if digest.crc32 != expected.digest.crc32 => {
                Some("its CRC-32 differs from the one in the header")
            }
            Some(_) if self.end.is_some_and(|end| end < expected.len) => {
                Some("there are bytes after its end")
            }
            Some(digest) => {
                let verdict = self
                    .verdict
                    .as_ref()
                    .filter(|verdict| verdict.error_code == 0);
                let is_other = |verdict: &Verdict| verdict.crc32 != u64::from(digest.crc32);
                verdict
                    .filter(|verdict| is_other(verdict))
                    .map(|_| "the receiver got different data")
            }
        }
    }

    /// What is written to the device: the verdict, or what is wrong with a stream that was accepted.
    fn answer(&self) -> Option<Verdict> {
        let verdict = self.verdict.clone()?;
        Some(match (verdict.error_code, self.fault()) {
            (0, Some(_)) => Verdict {
                error_code: WRONG_DIGEST,
                ..verdict
            },
            _ => verdict,
        })
    }

    fn judge(&self, device: &Device, from: &str) -> Result<(), Failure> {
        let arrived = format!("in ~/QubesIncoming/{from}");
        let untrusted = |why: &dyn std::fmt::Display| {
            Failure::new(format!("the content of {} is damaged", device.shown()))
                .because(why)
                .advise(format!(
                    "the files {arrived} must not be trusted: remove them, and write the files to \
                     the device again"
                ))
        };
        if let Some((at, error)) = &self.unreadable {
            return Err(untrusted(&format_args!(
                "it cannot be read at byte {at}: {error}"
            )));
        }
        let Some(verdict) = self.verdict.clone() else {
            return Err(
                Failure::new("qfile-unpacker ended without an answer").advise(format!(
                    "see the messages of the receiver above, and the files {arrived}"
                )),
            );
        };
        let crc32 = self.expected.digest.crc32;
        match (verdict.error_code, self.fault()) {
            (0, None) => Ok(()),
            (0, Some(fault)) => Err(untrusted(&fault)),
            (_, fault) => {
                let advice = advice(&verdict, from);
                let refused = match name_here(&verdict) {
                    Some(own) => refusal(&verdict, Some(text::name(own))),
                    None => match confirm(verdict, crc32) {
                        Err(refused) => refused.to_string(),
                        Ok(()) => String::new(),
                    },
                };
                Err(match fault {
                    Some(fault) => untrusted(&format_args!("{fault}; {refused}")),
                    None => Failure::new(refused).advise(advice),
                })
            }
        }
    }
}

/// The name in a verdict, if the receiver says that something of this name is here: then it is the name
/// of a file of this qube, and shown as such.
fn name_here(verdict: &Verdict) -> Option<&[u8]> {
    let is_here = verdict.errno().map(Errno::from_raw_os_error) == Some(Errno::EXIST);
    let name = verdict.untrusted_last_name.as_deref().filter(|_| is_here)?;
    SafeName::parse(name, Charset::All).ok()?;
    Some(name)
}

/// What to do about a refusal.
fn advice(verdict: &Verdict, from: &str) -> String {
    let arrived = format!("any files that arrived are in ~/QubesIncoming/{from}");
    match verdict.errno().map(Errno::from_raw_os_error) {
        Some(Errno::EXIST) => {
            let name = name_here(verdict);
            let top = name.and_then(|name| name.split(|byte| *byte == b'/').next());
            let top = top.map_or("it".to_owned(), text::name);
            format!(
                "move or rename {top} in ~/QubesIncoming/{from}, or receive under another name with \
                 --from; any other files that arrived are there"
            )
        }
        Some(Errno::ILSEQ) => {
            format!("--allow-all-names accepts names with such characters; {arrived}")
        }
        _ => arrived,
    }
}
