//! `qvm-device-status`: what is on a device, as lines `KEY: VALUE`.

use std::process::ExitCode;

use program::failure::{FAILED, Failure, end};
use raw_device::{ANSWER_AT, Answer, Found, HEADER_AT, Header, Stream};
use text::foreign;
use transfer::verdict::confirm;

use crate::device::args::{STATUS, Status, parse};
use crate::device::medium::{Device, Use};
use crate::ending::answer;

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let typed: Status = match parse() {
        Ok(typed) => typed,
        Err(failure) => return end(STATUS, Err(failure)),
    };
    end(STATUS, show(&typed))
}

/// Shows what is on the device; an error without a word if that is not complete.
fn show(typed: &Status) -> Result<(), Failure> {
    let (text, is_complete) = look(typed)?;
    answer(&text)?;
    match is_complete {
        true => Ok(()),
        false => Err(Failure::said(FAILED)),
    }
}

/// The lines, and whether the transfer is complete.
fn look(typed: &Status) -> Result<(String, bool), Failure> {
    let device = Device::open(&typed.device, Use::Look)?;
    let read = |at| {
        let block = device.block(at);
        block.map_err(Failure::of(format!("cannot read {}", device.shown())))
    };
    let header = match Found::read(&read(HEADER_AT)?, device.capacity) {
        Found::Nothing => return Ok(("state: none".to_owned(), false)),
        Found::Damaged => return Ok(("state: damaged".to_owned(), false)),
        Found::Transfer(header) => header,
    };
    let answered = header.stream.map(|stream| {
        // An answer that cannot be read is none.
        let answer = read(ANSWER_AT).ok().and_then(|block| Answer::read(&block));
        answered(&header, stream, answer)
    });
    Ok((lines(&header, answered.as_deref()), answered.is_some()))
}

fn lines(header: &Header, answered: Option<&str>) -> String {
    let state = match answered {
        Some(_) => "complete",
        None => "not complete",
    };
    let bytes = header.stream.map_or(0, |stream| stream.len);
    let mut lines = vec![
        format!("state: {state}"),
        format!("number: {}", header.number),
        format!("source: {}", foreign(&header.untrusted_source)),
        format!("bytes: {bytes}"),
    ];
    lines.extend(answered.map(|answered| format!("answer: {answered}")));
    lines.join("\n")
}

fn answered(header: &Header, stream: Stream, answer: Option<Answer>) -> String {
    let answer = answer.filter(|answer| answer.number == header.number);
    match answer.map(|answer| confirm(answer.verdict, stream.digest.crc32)) {
        None => "none".to_owned(),
        Some(Ok(())) => "received".to_owned(),
        Some(Err(why)) => format!("refused: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use qfile_proto::Verdict;
    use raw_device::{Digest, Number};

    use super::*;

    fn header() -> Header {
        Header {
            number: Number([0xA0; 16]),
            untrusted_source: b"\x1b[31mlaptop\n\"".to_vec(),
            stream: Some(Stream {
                len: 1000,
                digest: Digest {
                    crc32: 7,
                    sha256: [0; 32],
                },
            }),
        }
    }

    fn answer(number: u8, error_code: u32, crc32: u64) -> Option<Answer> {
        Some(Answer {
            number: Number([number; 16]),
            verdict: Verdict {
                error_code,
                crc32,
                untrusted_last_name: Some(b"a\n\x1b[31m".to_vec()),
            },
        })
    }

    #[test]
    fn what_somebody_else_wrote_is_shown_on_one_line_without_control_characters() {
        let text = lines(&header(), Some("none"));
        assert_eq!(
            text,
            "state: complete\nnumber: a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0\nsource: _[31mlaptop__\n\
             bytes: 1000\nanswer: none"
        );
    }

    #[test]
    fn an_answer_counts_for_its_own_transfer_and_a_success_for_the_right_checksum() {
        let header = header();
        let stream = header.stream.unwrap();
        for (given, expected) in [
            (None, "none"),
            (answer(0xA1, 0, 7), "none"),
            (answer(0xA0, 0, 7), "received"),
            (
                answer(0xA0, 0, 8),
                "refused: File copy: the checksum of what arrived is wrong",
            ),
            (
                answer(0xA0, 17, 7),
                "refused: A file named \"a__[31m\" already exists in QubesIncoming dir",
            ),
            (
                answer(0xA0, 74, 7),
                "refused: File copy: \"Bad message\"; Last file: \"a__[31m\"",
            ),
        ] {
            assert_eq!(answered(&header, stream, given), expected);
        }
    }
}
