//! What goes wrong between two qubes, in words.
//!
//! The first words of the messages that stand for a verdict are those of the C tool, because people
//! search for them.

use std::fmt;
use std::io;
use std::time::Duration;

use qfile_proto::Verdict;
use qfile_proto::verdict::LEGAL_EOF;
use quantity::counted;
use rustix::io::Errno;
use text::foreign;

use crate::stop::Stop;

/// Why a stream was not sent, or is not confirmed.
#[derive(Debug)]
pub enum SendError {
    /// stdout cannot be written to.
    Write(io::Error),
    /// The receiver answered, or stopped reading, before the end: its verdict says why.
    Interrupted,
    /// The user pressed Cancel.
    Cancelled,
    /// stdin cannot be read.
    Read(io::Error),
    /// The receiver ended without a verdict.
    NoAnswer,
    /// The receiver ended, or fell silent, inside its verdict.
    CutAnswer,
    /// The receiver did not answer for this long.
    Late(Duration),
    /// What came is no verdict but this text.
    Text(Vec<u8>),
    /// The receiver confirmed what was not yet sent.
    EarlySuccess,
    /// The receiver confirmed something else than was sent.
    Damaged,
    /// The receiver refused.
    Refused(Verdict),
}

impl SendError {
    /// What an error of the stream stands for.
    #[must_use]
    pub fn from_stream(error: io::Error) -> Self {
        match error.downcast::<Stop>() {
            Ok(Stop::Answered) => Self::Interrupted,
            Ok(Stop::Cancelled) => Self::Cancelled,
            Err(error) => match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Interrupted,
                _ => Self::Write(error),
            },
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Write(error) => format!("cannot write to the target qube: {error}"),
            Self::Interrupted | Self::NoAnswer => {
                "the receiver in the target qube ended without an answer".to_owned()
            }
            Self::Cancelled => "cancelled".to_owned(),
            Self::Read(error) => format!("cannot read the target qube's answer: {error}"),
            Self::CutAnswer => "the receiver's answer was cut off".to_owned(),
            Self::Late(time) => format!(
                "the target qube did not answer for {}",
                counted(time.as_secs(), "second", "seconds")
            ),
            Self::Text(untrusted) => format!(
                "the target qube sent text instead of a verdict: \"{}\"",
                foreign(untrusted.trim_ascii())
            ),
            Self::EarlySuccess => {
                "the receiver confirmed the copy before it was complete".to_owned()
            }
            Self::Damaged => "File copy: the checksum of what arrived is wrong".to_owned(),
            Self::Refused(verdict) => {
                let name = verdict.untrusted_last_name.as_deref();
                refusal(verdict, name.map(|name| format!("\"{}\"", foreign(name))))
            }
        };
        f.write_str(&text)
    }
}

impl std::error::Error for SendError {}

/// The message for a receiver's refusal: the table of the wire format. `name` is the name of the last
/// entry, if there is one, in quotes and safe to show.
#[must_use]
pub fn refusal(verdict: &Verdict, name: Option<String>) -> String {
    let last_file = match &name {
        Some(name) => format!("; Last file: {name}"),
        None => String::new(),
    };
    let errno = verdict.errno();
    match (errno.map(Errno::from_raw_os_error), &name) {
        (Some(Errno::EXIST), Some(name)) => {
            format!("A file named {name} already exists in QubesIncoming dir")
        }
        (Some(Errno::EXIST), None) => {
            "A file of that name already exists in QubesIncoming dir".to_owned()
        }
        (Some(Errno::INVAL), _) => {
            format!("File copy: Corrupted data from packer{last_file}")
        }
        (Some(Errno::ILSEQ), Some(name)) => format!(
            "Forbidden character in file or link target. Name might look somewhat like {name}"
        ),
        (Some(Errno::ILSEQ), None) => "Forbidden character in file or link target".to_owned(),
        (Some(Errno::NOLINK), Some(name)) => {
            format!("Cannot verify that link at {name} would not be broken by copy")
        }
        (Some(Errno::NOLINK), None) => {
            "Cannot verify that link would not be broken by copy".to_owned()
        }
        (None, _) if verdict.error_code == LEGAL_EOF => {
            format!("File copy: the stream ended early{last_file}")
        }
        (Some(_), _) => format!(
            "File copy: \"{}\"{last_file}",
            errno.map_or(String::new(), strerror)
        ),
        (None, _) => format!(
            "File copy: \"Unknown error {}\"{last_file}",
            verdict.error_code
        ),
    }
}

/// What `qfile-agent` adds to the message for a refusal: people search for these words, too.
#[must_use]
pub fn error_type(verdict: &Verdict) -> String {
    match verdict.errno() {
        Some(errno) if verdict.error_code != LEGAL_EOF => {
            format!(" (error type: {})", strerror(errno))
        }
        _ => String::new(),
    }
}

/// The system's words for an error number.
fn strerror(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    text.rsplit_once(" (os error")
        .map_or(text.clone(), |(words, _)| words.to_owned())
}
