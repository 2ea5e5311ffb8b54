//! What people are told: the caller and the log on stderr, the owner of this qube in its own log.
//!
//! qrexec sends stderr to the *calling* qube, so nothing of this one goes there unless `-v` was asked
//! for by hand. For its owner there is the system log: one datagram socket, connected before the
//! jail is entered because nothing can be connected from inside. The syslog protocol is one line of
//! text, so it is written here and needs no crate; a log that is missing or full costs nothing.

use std::os::unix::net::UnixDatagram;

use rustix::stdio;

use crate::error::Error;

const PROGRAM: &str = "qfile-unpacker";

/// Facility user (1), severity warning (4): RFC 5424, 6.2.1.
const USER_WARNING: u32 = 1 << 3 | 4;

/// Where messages go.
#[derive(Debug, Default)]
pub(crate) struct Say {
    verbose: bool,
    owner_log: Option<UnixDatagram>,
}

impl Say {
    /// Lets [`Say::detail`] speak.
    pub(crate) fn set_verbose(&mut self, verbose: bool) {
        self.verbose = verbose;
    }

    /// Connects to the system log of this qube, if there is one.
    pub(crate) fn connect_to_the_owner(&mut self) {
        let connect = || {
            let log = UnixDatagram::unbound()?;
            log.connect("/dev/log")?;
            log.set_nonblocking(true)?;
            std::io::Result::Ok(log)
        };
        self.owner_log = connect().ok();
    }

    /// True if somebody asked for details by hand.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// A line that the calling qube may see.
    pub(crate) fn to_everyone(&self, text: &str) {
        let line = format!("{PROGRAM}: {text}\n");
        // There is nobody to tell that telling failed.
        let _ = rustix::io::write(stdio::stderr(), line.as_bytes());
    }

    /// A text that was asked for by hand. It goes to stderr too: stdout is the protocol's.
    pub(crate) fn asked_for(&self, text: &str) {
        let _ = rustix::io::write(stdio::stderr(), text.as_bytes());
    }

    /// Says why the copy failed, on stderr without details of this qube unless `-v` was given. A
    /// refusal is not said there: the caller's end has the verdict, and says it.
    pub(crate) fn failure(&self, error: &Error) {
        let is_said = self.verbose || matches!(error, Error::Stopped { .. });
        if !is_said {
            let advice = match error {
                Error::Usage(_) => error.advice(),
                _ => None,
            };
            self.to_everyone(&with_advice(error.to_string(), advice));
        }
        self.to_the_owner(&with_advice(error.for_the_owner(), error.advice()));
    }

    /// A line about this qube, on stderr only with `-v`.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose {
            self.to_everyone(text);
        }
    }

    /// A line for the owner of this qube: to its log, and on stderr with `-v`.
    pub(crate) fn to_the_owner(&self, text: &str) {
        if let Some(log) = &self.owner_log {
            let line = format!("<{USER_WARNING}>{PROGRAM}: {text}");
            let _ = rustix::io::write(log, line.as_bytes());
        }
        self.detail(text);
    }
}

fn with_advice(text: String, advice: Option<&str>) -> String {
    match advice {
        Some(advice) => format!("{text}; {advice}"),
        None => text,
    }
}
