//! The line by which `qfile-agent` says what became of a copy: `STATUS MESSAGE\n`.
//!
//! It goes over a descriptor that only our own programs hold (`--result-fd N`). The exit status
//! of `qrexec-client-vm` cannot take its place: the target qube chooses it, and it hides the
//! agent's. Hence a line that is missing, cut or malformed counts as no line, and no line is a
//! failure.

use std::io::{self, BufRead, BufReader, Read, Write};

use text::shortened;

/// Longest message in characters. Names in it are shortened so that the reason and the advice have room.
pub const MAX_MESSAGE_CHARS: usize = 10_000;

/// What every message about a copy that failed has in it, unless nothing has arrived.
pub const LEFTOVERS: &str = "files that arrived";

/// How many characters each name has at most, the first number with which all of the message has room.
/// An escape sequence is one of them, and up to ten in the message.
const NAME_CHARS: [usize; 3] = [500, 100, 20];

/// More bytes than any line has: what has no newline within them is no result line.
pub const MAX_LINE_BYTES: u64 = 49_152;

/// What became of a copy: the exit status of `qfile-agent`, `qvm-copy` and `qvm-move`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 0: everything asked for was sent, and the receiver confirmed it.
    Complete,
    /// 1: the copy failed.
    Failed,
    /// 2: the command line is wrong.
    Usage,
    /// 3: what was sent is confirmed, but something asked for was left out.
    Partial,
    /// 32: cancelled by the user.
    Cancelled,
}

impl Outcome {
    const ALL: [Self; 5] = [
        Self::Complete,
        Self::Failed,
        Self::Usage,
        Self::Partial,
        Self::Cancelled,
    ];

    /// The exit status that stands for it.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Cancelled => 32,
        }
    }

    fn from_status(status: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.status().to_string() == status)
    }
}

/// A result line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultLine {
    /// What became of the copy.
    pub outcome: Outcome,
    /// What the agent told its user, and what to do about it: one line that is safe to show; empty if
    /// there was nothing to tell.
    pub message: String,
}

impl ResultLine {
    /// True unless it says that nothing is there that would be in the way of another copy.
    #[must_use]
    pub fn may_have_left_files(&self) -> bool {
        self.message.contains(LEFTOVERS)
    }

    /// Writes the line in one write. Of the message, control characters become spaces. If it exceeds
    /// [`MAX_MESSAGE_CHARS`], names in quotes lose their middle, as by [`text::shortened`]; only what
    /// exceeds it then is cut.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn write_to(&self, output: &mut impl Write) -> io::Result<()> {
        let status = self.outcome.status();
        let message = bounded(one_line(&self.message).collect());
        output.write_all(format!("{status} {message}\n").as_bytes())
    }

    /// Reads up to the first newline, or the end of input.
    ///
    /// `Ok(None)` is no line: nothing came, or it was cut, or is none that
    /// [`write_to`](Self::write_to) writes.
    ///
    /// # Errors
    /// Those of `input`.
    pub fn read_from(input: impl Read) -> io::Result<Option<Self>> {
        let mut line = Vec::new();
        BufReader::new(input.take(MAX_LINE_BYTES)).read_until(b'\n', &mut line)?;
        Ok(Self::parse(&line))
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let (status, message) = line.split_once(' ')?;
        Some(Self {
            outcome: Outcome::from_status(status)?,
            message: one_line(message).collect(),
        })
    }
}

fn bounded(message: String) -> String {
    let is_short = |text: &str| text.chars().nth(MAX_MESSAGE_CHARS).is_none();
    if is_short(&message) {
        return message;
    }
    let mut shorter = NAME_CHARS.iter().map(|max| shortened(&message, *max));
    let short = shorter.find(|text| is_short(text));
    short.unwrap_or_else(|| message.chars().take(MAX_MESSAGE_CHARS).collect())
}

fn one_line(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| if c.is_control() { ' ' } else { c })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(outcome: Outcome, message: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let message = message.to_owned();
        ResultLine { outcome, message }
            .write_to(&mut bytes)
            .unwrap();
        bytes
    }

    #[test]
    fn every_outcome_comes_back_with_its_message() {
        let golden: [(Outcome, &str, &[u8]); 5] = [
            (Outcome::Complete, "", b"0 \n"),
            (
                Outcome::Failed,
                "File copy: \"No space left\"",
                b"1 File copy: \"No space left\"\n",
            ),
            (Outcome::Usage, "usage", b"2 usage\n"),
            (
                Outcome::Partial,
                "left out: grün",
                "3 left out: grün\n".as_bytes(),
            ),
            (Outcome::Cancelled, "cancelled", b"32 cancelled\n"),
        ];
        for (outcome, message, bytes) in golden {
            assert_eq!(written(outcome, message), bytes);
            let line = ResultLine::read_from(bytes).unwrap().unwrap();
            assert_eq!((line.outcome, line.message.as_str()), (outcome, message));
        }
    }

    #[test]
    fn what_no_agent_writes_is_no_line() {
        let too_long = [b"0 ".as_slice(), &[b'x'; 50_000], b"\n"].concat();
        let none: [&[u8]; 15] = [
            b"",
            b"\n",
            b"0",
            b"0 ",
            b"0 fine",
            b"0\n",
            b"00 \n",
            b"+0 \n",
            b" 0 \n",
            b"-1 \n",
            b"126 \n",
            b"256 \n",
            b"4 \n",
            b"0 \xFF\n",
            &too_long,
        ];
        for bytes in none {
            assert_eq!(ResultLine::read_from(bytes).unwrap(), None, "{bytes:?}");
        }
    }

    #[test]
    fn the_first_line_counts() {
        let line = ResultLine::read_from(&b"1 failed\n0 \n"[..])
            .unwrap()
            .unwrap();
        assert_eq!(line.outcome, Outcome::Failed);
    }

    #[test]
    fn the_reason_and_the_advice_survive_the_longest_names() {
        // Names that have the longest texts: escape sequences, characters of four bytes, bytes.
        let names = [
            "\u{e0001}".repeat(1024).into_bytes(),
            "\u{20000}".repeat(1023).into_bytes(),
            "\u{1}".repeat(4095).into_bytes(),
            vec![0xFF; 4095],
            "\u{5e2}".repeat(2047).into_bytes(),
        ];
        for count in [1, 2, 6] {
            for bytes in &names {
                let quoted = text::name(bytes);
                let all = vec![quoted.as_str(); count].join(" and ");
                let message = format!("cannot send {all}: No space left; make room");
                let line = written(Outcome::Failed, &message);
                assert!(u64::try_from(line.len()).unwrap() < MAX_LINE_BYTES);
                let read = ResultLine::read_from(&line[..]).unwrap().unwrap().message;
                let names = read.strip_prefix("cannot send ").unwrap();
                let names = names.strip_suffix(": No space left; make room").unwrap();
                // Each is cut in the same way, and so none by the end of the message.
                let names: Vec<&str> = names.split(" and ").collect();
                assert_eq!(names, vec![names[0]; count]);
            }
        }
    }

    #[test]
    fn a_message_that_has_room_keeps_its_names() {
        let message = format!("{} is gone", text::name(&[b'\t'; 4000]));
        let line = written(Outcome::Failed, &message);
        assert_eq!(line, format!("1 {message}\n").as_bytes());
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(written(Outcome::Failed, "a\nb\x1b[0m"), b"1 a b [0m\n");
        assert_eq!(
            ResultLine::read_from(&b"1 a\x1b[0m\n"[..])
                .unwrap()
                .unwrap()
                .message,
            "a [0m"
        );
        let long = written(Outcome::Failed, &"é".repeat(12_000));
        let line = ResultLine::read_from(&long[..]).unwrap().unwrap();
        assert_eq!(line.message, "é".repeat(MAX_MESSAGE_CHARS));
    }
}
