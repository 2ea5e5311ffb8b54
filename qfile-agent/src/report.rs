//! How a copy ended, in words: on stderr, on the result line, in a dialog.

use std::fs::File;
use std::os::fd::RawFd;
use std::process::ExitCode;

use desktop::dialog::Dialogs;
use program::failure::{Failure, end, pass_on};
use program::inherited;
use program::say::say;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::stdio::{dup2_stdin, dup2_stdout};
use transfer::result_line::{LEFTOVERS, Outcome, ResultLine};

use crate::beginning::beginning;
use crate::error::{
    AGAIN, Error, IF_A_NAME_IN_A_FOLDER_IS_TAKEN, IF_A_NAME_IS_TAKEN, OVER_A_LIMIT,
};
use crate::left_out::LeftOut;

/// The end of a copy, as its user is told.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) outcome: Outcome,
    /// One line, safe to show; empty when all went well.
    message: String,
    /// What to do about it.
    advice: String,
    /// Whoever takes the result and the manifest says it.
    is_said_elsewhere: bool,
}

/// What is known to have arrived of a copy that stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// Nothing.
    Nothing,
    /// What the journal says; whoever takes it says how to go on.
    Known,
    /// All of it.
    All,
    /// Maybe something.
    Unknown,
}

/// What to do about a name that is taken in a folder of which a part has arrived.
const IN_A_FOLDER: &str = "move or rename it in the target qube's QubesIncoming folder; if the folder \
                           that it is in is there from an earlier copy, copy it again with --as NAME \
                           instead, which gives it another name there";

/// What to do about a limit of which a part of the copy was the cause: the rest may be within it.
const OVER_A_LIMIT_WITH_THE_REST: &str = "a limit of the target qube or of its disk is reached; if the rest is refused too, raise the \
     limit there";

/// What holds of every copy that may have left something.
const BEFORE_AGAIN: &str =
    "remove any files that arrived in the target qube's QubesIncoming folder before you copy again";

const OR_ANOTHER_NAME: &str = "or copy it with --as NAME, which gives it another name there; with ON_CONFLICT=rename \
                               in /rw/config/filecopy.conf there (see filecopy.conf(5)), files \
                               whose name already exists there get a new name automatically";

impl Report {
    /// The end of a copy that was asked for by one of our programs, or by another, which takes what no
    /// stream carries for no part of the copy.
    pub(crate) fn new(copied: Result<LeftOut, Error>, is_called_by_ours: bool) -> Self {
        let is_complete = |left_out: &LeftOut| {
            left_out.is_empty() || (left_out.is_only_special() && !is_called_by_ours)
        };
        match copied {
            Ok(left_out) if is_complete(&left_out) => Self {
                outcome: Outcome::Complete,
                message: String::new(),
                advice: String::new(),
                is_said_elsewhere: false,
            },
            Ok(left_out) => Self {
                outcome: Outcome::Partial,
                message: left_out.to_string(),
                advice: "everything else was copied".to_owned(),
                is_said_elsewhere: left_out.is_listed(),
            },
            Err(failure) => Self {
                outcome: failure.outcome(),
                message: failure.message(),
                advice: failure.advice().to_owned(),
                is_said_elsewhere: false,
            },
        }
    }

    /// The same, when so much has arrived: advice is what works then.
    pub(crate) fn after(mut self, arrived: Arrived) -> Self {
        let is_in_a_folder = self.advice == IF_A_NAME_IN_A_FOLDER_IS_TAKEN;
        let is_taken = is_in_a_folder || self.advice == IF_A_NAME_IS_TAKEN;
        if let Some(remedy) = self.advice.strip_suffix(AGAIN) {
            self.advice = match arrived {
                Arrived::Nothing => return self.or_another_name(is_taken),
                Arrived::Known | Arrived::All if is_in_a_folder => IN_A_FOLDER.to_owned(),
                Arrived::Known | Arrived::All => remedy.to_owned(),
                Arrived::Unknown => {
                    let there = match remedy.contains("QubesIncoming folder") {
                        true => "there",
                        false => "in its QubesIncoming folder",
                    };
                    format!("{remedy}, remove any files that arrived {there}{AGAIN}")
                }
            };
        } else if self.outcome == Outcome::Failed {
            match arrived {
                Arrived::Known if self.advice == OVER_A_LIMIT => {
                    self.advice = OVER_A_LIMIT_WITH_THE_REST.to_owned();
                }
                // Some advice sends the user to that folder already.
                Arrived::Unknown if !self.advice.contains(LEFTOVERS) => {
                    self.advice = format!("{}; {BEFORE_AGAIN}", self.advice);
                }
                _ => {}
            }
        }
        if self.outcome == Outcome::Cancelled {
            match arrived {
                Arrived::All => self.message.push_str(" when everything had arrived"),
                Arrived::Unknown => self
                    .advice
                    .push_str(": remove them there before you copy again"),
                Arrived::Nothing | Arrived::Known => {}
            }
        }
        self.or_another_name(is_taken && arrived == Arrived::Unknown)
    }

    fn or_another_name(mut self, is_taken: bool) -> Self {
        if is_taken {
            self.advice = format!("{}; {OR_ANOTHER_NAME}", self.advice);
        }
        self
    }

    /// Tells whoever listens; the exit status. Whoever takes the result shows it, together with what comes of it. The
    /// receiver is let go first: it must not wait for a dialog.
    pub(crate) fn deliver(&self, result_fd: Option<RawFd>, is_gui: bool) -> ExitCode {
        let status = end(beginning(), self.told());
        let is_handed_over = result_fd.is_some_and(|number| self.hand_over(number));
        let is_shown = is_gui && !is_handed_over;
        if is_shown && !matches!(self.outcome, Outcome::Complete | Outcome::Cancelled) {
            hang_up();
            if let Some(dialogs) = Dialogs::find() {
                let text = format!("{}\n\n{}", self.message, self.advice);
                let _said_on_stderr = dialogs.error("Copy to another qube", &text);
            }
        }
        status
    }

    /// What stderr says of it.
    fn told(&self) -> Result<(), Failure> {
        let Self {
            message, advice, ..
        } = self;
        let failure = match self.outcome {
            Outcome::Complete => return Ok(()),
            Outcome::Partial if self.is_said_elsewhere => {
                return pass_on(self.outcome.status());
            }
            // What was left out has been said when it was found.
            Outcome::Partial => Failure::new(advice),
            Outcome::Cancelled => Failure::new(message).advise(advice),
            Outcome::Failed | Outcome::Usage => {
                Failure::new(format_args!("Fatal error: {message}")).advise(advice)
            }
        };
        Err(failure.with_status(self.outcome.status()))
    }

    /// Writes the result line; false if nobody gets it.
    fn hand_over(&self, number: RawFd) -> bool {
        let line = ResultLine {
            outcome: self.outcome,
            message: match self.outcome {
                Outcome::Complete => String::new(),
                _ => format!("{}; {}", self.message, self.advice),
            },
        };
        let written =
            inherited::take(number).and_then(|output| line.write_to(&mut File::from(output)));
        if let Err(error) = &written {
            say(format_args!(
                "{}: cannot write the result to descriptor {number}: {error}",
                beginning()
            ));
        }
        written.is_ok()
    }
}

/// Lets go of stdin and stdout before the end of the program.
fn hang_up() {
    if let Ok(nothing) = openat(
        CWD,
        "/dev/null",
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        let _both_or_as_they_are = dup2_stdin(&nothing).and_then(|()| dup2_stdout(&nothing));
    }
}

#[cfg(test)]
mod catalogue;
