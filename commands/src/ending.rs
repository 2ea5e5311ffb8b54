//! How a command ends: its exit status, and the last that it says.

use std::fmt::Display;
use std::io::Write as _;

use desktop::dialog::{Dialogs, Notice};
use program::command_line::what_is_wrong_with_tip;
use program::failure::Failure;
use program::say::say;
use transfer::result_line::Outcome;

/// The end of a copy that failed, or is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What is left to say, and the exit status.
    pub failure: Failure,
    /// What the sender has said on stderr, for a window: there nobody has seen it.
    pub said_by_sender: String,
}

/// The command line is wrong.
pub fn usage(reason: impl Display) -> Failure {
    with(Outcome::Usage, reason)
}

/// A failure with one of the statuses of a copy.
pub fn with(outcome: Outcome, reason: impl Display) -> Failure {
    Failure::new(reason).with_status(outcome.status())
}

/// What `clap` has to say: the text of `--help` and `--version`, which is written to stdout, or what
/// is wrong with a command line of this definition. For `map_err`.
pub fn command_line(definition: clap::Command) -> impl FnOnce(clap::Error) -> Failure {
    move |error| judged(error, definition)
}

fn judged(error: clap::Error, definition: clap::Command) -> Failure {
    if !error.use_stderr() {
        return match answer(error.render().to_string().trim_end()) {
            Ok(()) => Failure::said(Outcome::Complete.status()),
            Err(failure) => failure,
        };
    }
    let tip = "for a file whose name begins with -, write -- or ./ before it";
    usage(what_is_wrong_with_tip(error, definition, tip))
}

impl Ending {
    /// The exit status.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.failure.status()
    }

    /// All that was said and is left to say, a part a line.
    pub(crate) fn everything(&self) -> String {
        let left = self.failure.to_string();
        let parts = [&*self.said_by_sender, &left];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("\n")
    }

    /// Adds a line to what is to be done about it; it may be all that is left to say.
    #[must_use]
    pub(crate) fn and(self, line: &str) -> Self {
        let Self {
            failure,
            said_by_sender,
        } = self;
        let failure = match failure.advice() {
            _ if failure.is_said() => failure.reworded(line),
            None => failure.advise(line),
            Some(advice) => {
                let lines = format!("{advice}\n{line}");
                failure.advise(lines)
            }
        };
        Self {
            failure,
            said_by_sender,
        }
    }

    /// The same status, with this left to say.
    #[must_use]
    pub(crate) fn reworded(self, failure: Failure) -> Self {
        Self {
            failure: failure.with_status(self.status()),
            ..self
        }
    }

    /// Says all of it in one window, where there is one, unless it is what the user asked for.
    pub(crate) fn show(&self, command: &str) {
        if let Some(text) = text_for_window(&self.failure, &self.said_by_sender) {
            show(Notice::Error, command, &text);
        }
    }
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            said_by_sender: String::new(),
        }
    }
}

/// What a window says of a failure; `None` if it is what the user asked for.
pub(crate) fn text_for_window(failure: &Failure, said_by_sender: &str) -> Option<String> {
    let expected = [Outcome::Complete, Outcome::Cancelled].map(Outcome::status);
    let left = failure.to_string();
    let parts = [said_by_sender, &left];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let is_expected = expected.contains(&failure.status()) || parts.is_empty();
    (!is_expected).then(|| parts.join("\n\n"))
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
/// Nobody takes it.
pub fn answer(text: &str) -> Result<(), Failure> {
    let line = format!("{text}\n");
    let written = std::io::stdout().lock().write_all(line.as_bytes());
    written.map_err(Failure::of("cannot write to stdout"))
}
