//! The line that names a picture.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Instant;

use picture::{Format, NAMES};
use program::bounded::timespec;
use program::failure::Failure;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read};
use rustix::stdio::stdin;

/// Most bytes of the line: a path of Linux, and what stands before it.
const MAX_LEN: usize = 4096 + ICON.len();

/// What stands before the name of an icon.
const ICON: &[u8] = b"xdgicon:";

/// What stands behind the name of a format.
const OF_STDIN: &[u8] = b":-";

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// The icon of this name, or the file with this absolute path as an icon.
    Icon(OsString),
    /// What follows on stdin, of this format if one was named.
    Stdin(Option<Format>),
    /// The file of this name.
    File(PathBuf),
}

impl Request {
    /// Understands a line.
    pub(super) fn parse(untrusted: &[u8]) -> Result<Self, Failure> {
        let line = untrusted.trim_ascii();
        let wrong = |why: &str| Failure::new("cannot give a picture").because(why);
        if line.is_empty() {
            return Err(wrong("the line on stdin names none"));
        }
        if line.contains(&0) {
            return Err(wrong("the line on stdin has a NUL byte"));
        }
        if let Some(name) = line.strip_prefix(ICON) {
            return match name {
                b"" => Err(wrong("the line on stdin names no icon")),
                _ => Ok(Self::Icon(OsStr::from_bytes(name).to_owned())),
            };
        }
        if line == b"-" {
            return Ok(Self::Stdin(None));
        }
        if let Some(name) = line.strip_suffix(OF_STDIN) {
            let format = Format::named(name).ok_or_else(|| {
                let names = NAMES.map(|(name, _)| name).join(", ");
                wrong(&format!("\"{}\" is no known format", text::foreign(name)))
                    .advise(format_args!("give one of {names}"))
            });
            return format.map(Some).map(Self::Stdin);
        }
        Ok(Self::File(OsStr::from_bytes(line).into()))
    }
}

/// What it is, for messages.
impl Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icon(name) => write!(f, "the icon {}", text::name(name.as_bytes())),
            Self::Stdin(_) => f.write_str("the picture from stdin"),
            Self::File(path) => write!(f, "the picture {}", text::file(path)),
        }
    }
}

/// Reads a line from stdin and not a byte more: the picture may follow. The end of stdin ends a
/// line too.
pub(super) fn line(deadline: Instant) -> Result<Vec<u8>, Failure> {
    let cannot = "cannot read the line that names the picture";
    let mut line = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut polled = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
        match poll(&mut polled, Some(&timespec(left))) {
            Ok(0) => return Err(Failure::new(cannot).because("it has not arrived in time")),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(Failure::of(cannot)(error)),
        }
        let mut byte = [0];
        match read(stdin(), &mut byte) {
            Ok(0) => return Ok(line),
            Ok(_) if byte == *b"\n" => return Ok(line),
            Ok(_) if line.len() == MAX_LEN => {
                let why = format!("it has more than {MAX_LEN} bytes");
                return Err(Failure::new(cannot).because(why));
            }
            Ok(_) => line.push(byte[0]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(Failure::of(cannot)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_an_icon_stdin_or_a_file() {
        for (line, expected) in [
            ("xdgicon:firefox", Request::Icon("firefox".into())),
            (" xdgicon:/a b \t\r", Request::Icon("/a b".into())),
            ("-", Request::Stdin(None)),
            ("PNG:-", Request::Stdin(Some(Format::Png))),
            ("svgz:-", Request::Stdin(Some(Format::Svg))),
            ("a.png", Request::File("a.png".into())),
            ("-x", Request::File("-x".into())),
            ("png:a", Request::File("png:a".into())),
            ("a.png[0]", Request::File("a.png[0]".into())),
        ] {
            assert_eq!(Request::parse(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn no_other_coder_can_be_chosen() {
        for line in ["mvg:-", "msl:-", "text:-", ":-", "png8:-", "@/etc/passwd:-"] {
            let refused = Request::parse(line.as_bytes()).unwrap_err();
            assert!(refused.reason().contains("no known format"), "{line}");
            assert_eq!(refused.status(), 1);
        }
        for line in ["", " ", "xdgicon:", "a\0b"] {
            assert!(Request::parse(line.as_bytes()).is_err(), "{line:?}");
        }
    }
}
