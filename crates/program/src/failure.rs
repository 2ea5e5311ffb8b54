//! How a program tells a person why it failed, and how it ends.
//!
//! Inside a crate errors have types of their own. At the edge of a program each of them becomes a
//! [`Failure`], and [`end`] says it and gives the exit status.

use std::fmt::{self, Display};
use std::process::ExitCode;

use crate::say::{plain, say};

/// The exit status of a program that failed and has no better one.
pub const FAILED: u8 = 1;

/// Why a program failed, for a person.
///
/// Names from another qube or from a disk have passed `text` before they come here. A failure about
/// which all has [been said](Self::said) has a status only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Failure {
    attempted: String,
    why: Option<String>,
    advice: Option<String>,
    status: u8,
}

impl Failure {
    /// What was attempted, and on what: `cannot read "letter.txt"`. The exit status is [`FAILED`].
    pub fn new(attempted: impl Display) -> Self {
        Self {
            attempted: plain(&attempted.to_string()),
            why: None,
            advice: None,
            status: FAILED,
        }
    }

    /// A system call, or whatever else gave `why`, failed. For `map_err`.
    pub fn of<W: Display>(attempted: impl Display) -> impl FnOnce(W) -> Self {
        move |why| Self::new(attempted).because(why)
    }

    /// A failure about which all has been said, or nothing is to be: the exit status alone.
    pub fn said(status: u8) -> Self {
        Self::new("").with_status(status)
    }

    /// Adds why it failed: one line, most often what the system said.
    pub fn because(self, why: impl Display) -> Self {
        Self {
            why: Some(plain(&why.to_string())),
            ..self
        }
    }

    /// The same in other words: what to do about it and the exit status stay.
    pub fn reworded(self, reason: impl Display) -> Self {
        Self {
            attempted: plain(&reason.to_string()),
            why: None,
            ..self
        }
    }

    /// Adds what to do about it. It may have several lines.
    pub fn advise(self, advice: impl Display) -> Self {
        Self {
            advice: Some(advice.to_string()),
            ..self
        }
    }

    /// Sets the exit status.
    pub fn with_status(self, status: u8) -> Self {
        Self { status, ..self }
    }

    /// The exit status.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.status
    }

    /// True if nothing is left to say.
    #[must_use]
    pub fn is_said(&self) -> bool {
        self.attempted.is_empty()
    }

    /// What was attempted and why it failed, without what to do about it: one line, or a line and a
    /// list below it.
    #[must_use]
    pub fn reason(&self) -> String {
        match &self.why {
            Some(why) => format!("{}: {why}", self.attempted),
            None => self.attempted.clone(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// All of it for stderr. Each line begins with the name of the program; a list, whose lines begin
    /// with a blank, stays as it is.
    #[must_use]
    pub fn lines(&self, program: &str) -> String {
        let text = self.to_string();
        let lines: Vec<String> = text
            .lines()
            .map(|line| match line.starts_with(' ') {
                true => line.to_owned(),
                false => format!("{program}: {line}"),
            })
            .collect();
        lines.join("\n")
    }
}

/// The reason, then what to do about it on lines of its own.
impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())?;
        self.advice()
            .map_or(Ok(()), |advice| write!(f, "\n{advice}"))
    }
}

/// Ends a program: says on stderr why it failed, and gives its exit status.
pub fn end(program: &str, result: Result<(), Failure>) -> ExitCode {
    end_with(program, result, |lines| say(lines))
}

/// The same in a program that has its own way to write to stderr, `tell`.
pub fn end_with(program: &str, result: Result<(), Failure>, tell: impl FnOnce(&str)) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_said() {
                tell(&failure.lines(program));
            }
            ExitCode::from(failure.status())
        }
    }
}

/// The end of a program whose exit status is that of another, which has said what there is to say.
///
/// # Errors
/// The status, unless it is 0.
pub fn pass_on(status: u8) -> Result<(), Failure> {
    match status {
        0 => Ok(()),
        _ => Err(Failure::said(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn the_reason_and_every_line_of_advice_begin_with_the_name_of_the_program() {
        let failure = Failure::new("cannot read \"a\"")
            .because("Permission denied")
            .advise("run it as root\nor give it to yourself")
            .with_status(3);
        assert_eq!(
            failure.lines("p"),
            "p: cannot read \"a\": Permission denied\np: run it as root\np: or give it to yourself"
        );
        assert_eq!(failure.status(), 3);
        assert_eq!(failure.reason(), "cannot read \"a\": Permission denied");
    }

    #[test]
    fn a_list_below_the_reason_stays_as_it_is() {
        let failure = Failure::new("cannot be sent:\n  a\n  b").advise("rename them");
        assert_eq!(
            failure.lines("p"),
            "p: cannot be sent:\n  a\n  b\np: rename them"
        );
    }

    #[test]
    fn each_line_that_is_no_list_begins_with_the_name_of_the_program() {
        let failure = Failure::new("wrong:\n  a\nso far 1:\n  b").advise("mend it\n  like this");
        assert_eq!(
            failure.lines("p"),
            "p: wrong:\n  a\np: so far 1:\n  b\np: mend it\n  like this"
        );
    }

    #[test]
    fn a_status_is_passed_on_without_a_word() {
        assert_eq!(super::pass_on(0), Ok(()));
        let failure = super::pass_on(7).unwrap_err();
        assert!(failure.is_said());
        assert_eq!(failure.status(), 7);
        assert!(!Failure::new("x").is_said());
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        assert_eq!(
            Failure::new("there is no name").lines("p"),
            "p: there is no name"
        );
        assert_eq!(Failure::new("x").status(), super::FAILED);
        let failure = Failure::of::<&str>("cannot open it")("not there");
        assert_eq!(failure.to_string(), "cannot open it: not there");
    }
}
