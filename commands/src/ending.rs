//! How a command ends: its exit status, and the last that it says.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use desktop::dialog::{Dialogs, Notice};
use program::say::say;
use text::own;
use transfer::result_line::Outcome;

/// An end of a command before, or instead of, the normal one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The exit status.
    pub status: u8,
    /// What is left to say, without the command's name: one line of what is wrong, then what to do
    /// about it. Empty if everything has been said. With status 0 it is what was asked for.
    pub message: String,
    /// What the sender has said on stderr, for a window: there nobody has seen it.
    pub said_by_sender: String,
}

impl Ending {
    /// An end with one of the statuses of a copy.
    pub fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self::with_status(outcome.status(), message)
    }

    /// An end with any status.
    pub fn with_status(status: u8, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            said_by_sender: String::new(),
        }
    }

    /// The copy, or whatever was to be done, failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Outcome::Failed, message)
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Outcome::Usage, message)
    }

    /// A system call that failed, and what it was for.
    pub fn system(attempted: &str, error: impl Display) -> Self {
        Self::failed(format!("{attempted}: {error}"))
    }

    /// What `clap` has to say: the text of `--help` and `--version`, or what is wrong.
    #[must_use]
    pub fn command_line(mut error: clap::Error) -> Self {
        // What clap suggests takes such a name apart, where options of one letter would end.
        if error.get(ContextKind::Suggested).is_some() {
            let tip = "for a file whose name begins with -, write -- or ./ before it";
            error.insert(
                ContextKind::Suggested,
                ContextValue::StyledStrs(vec![tip.into()]),
            );
        }
        let text = error.render().to_string();
        if !error.use_stderr() {
            return Self::new(Outcome::Complete, text.trim_end());
        }
        // The text quotes arguments, which may be names of files.
        let lines: Vec<String> = text.lines().map(|line| own(line.as_bytes())).collect();
        let text = lines.join("\n");
        Self::usage(text.trim_end().trim_start_matches("error: "))
    }

    /// Says what is left to say: what was asked for on stdout, what is wrong on stderr.
    #[must_use]
    pub fn tell(&self, command: &str) -> ExitCode {
        let status = ExitCode::from(self.status);
        if self.message.is_empty() {
            return status;
        }
        if self.status != Outcome::Complete.status() {
            say(format_args!("{command}: {}", self.message));
            return status;
        }
        match answer(&self.message) {
            Ok(()) => status,
            Err(ending) => ending.tell(command),
        }
    }

    /// Says all of it in one window, where there is one, unless it is what the user asked for.
    pub fn show(&self, command: &str) {
        if let Some(text) = self.text_for_window() {
            show(Notice::Error, command, &text);
        }
    }

    /// What a window says of it; `None` if it is what the user asked for.
    pub(crate) fn text_for_window(&self) -> Option<String> {
        let expected = [Outcome::Complete, Outcome::Cancelled].map(Outcome::status);
        let parts = [&*self.said_by_sender, &*self.message];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let is_expected = expected.contains(&self.status) || parts.is_empty();
        (!is_expected).then(|| parts.join("\n\n"))
    }
}

/// Shows `text` in a window, where there is one, and waits until it is closed.
pub(crate) fn show(kind: Notice, command: &str, text: &str) {
    let Some(dialogs) = Dialogs::find() else {
        return;
    };
    if let Err(error) = dialogs.notice(kind, command, text).status() {
        say(format_args!("{command}: cannot show a window: {error}"));
    }
}

/// Writes what was asked for to stdout, and a newline.
///
/// # Errors
/// An [`Ending`] when nobody takes it.
pub fn answer(text: &str) -> Result<(), Ending> {
    let line = format!("{text}\n");
    let written = std::io::stdout().lock().write_all(line.as_bytes());
    written.map_err(|error| Ending::system("cannot write to stdout", error))
}
