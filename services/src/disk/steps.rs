//! The programs that do the steps.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use program::failure::Failure;
use qrexec::status::of_process;
use text::line;

use program::bounded::find;

/// A program that does a step. There is no time limit: a program that is stopped half-way is worse than
/// one that takes long.
#[derive(Debug)]
pub(super) struct Step {
    name: &'static str,
    command: Command,
    shown: String,
}

impl Step {
    /// Finds a program.
    pub(super) fn new(name: &'static str) -> Result<Self, Failure> {
        let Some(path) = find(name) else {
            return Err(Failure::new(format_args!("cannot run {name}"))
                .because("it is not installed")
                .advise(format_args!(
                    "install the package that has {name} in the template of this qube"
                )));
        };
        Ok(Self::at(name, &path))
    }

    /// The program at `path`.
    pub(super) fn at(name: &'static str, path: &Path) -> Self {
        let mut command = Command::new(path);
        // Its words are read here.
        command.env("LC_ALL", "C");
        Self {
            name,
            command,
            shown: name.to_owned(),
        }
    }

    /// Adds an argument.
    pub(super) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        let argument = argument.as_ref();
        self.shown.push(' ');
        self.shown.push_str(&text::own(argument.as_encoded_bytes()));
        self.command.arg(argument);
        self
    }

    /// The command line, to be repeated by a person.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Runs it with this on stdin; its stdout.
    ///
    /// # Errors
    /// It cannot be run, or fails: with what it said and its status.
    pub(super) fn run_with(mut self, input: &str) -> Result<Vec<u8>, Failure> {
        let cannot = |why: &dyn Display| {
            Failure::new(format_args!("cannot run \"{}\"", self.shown)).because(why)
        };
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.command.spawn().map_err(|error| cannot(&error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // What does not want it has its reasons.
            let _not_wanted = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| cannot(&error))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let why = said(self.name, &output).unwrap_or_else(|| output.status.to_string());
        Err(
            Failure::new(format_args!("the step \"{}\" failed", self.shown))
                .because(why)
                .with_status(of_process(output.status)),
        )
    }

    /// Runs it with nothing on stdin.
    ///
    /// # Errors
    /// As [`Self::run_with`].
    pub(super) fn run(self) -> Result<Vec<u8>, Failure> {
        self.run_with("")
    }
}

/// What a program said about its failure: the lines of its stderr but for a line with its version, or
/// the last line of its stdout.
fn said(name: &str, output: &Output) -> Option<String> {
    let lines = |text: &[u8]| -> Vec<String> {
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let is_version = |text: &[u8]| {
            let version = text.strip_prefix(name.as_bytes()).unwrap_or_default();
            version.first() == Some(&b' ') && version.get(1).is_some_and(u8::is_ascii_digit)
        };
        lines
            .filter(|text| !text.is_empty() && !is_version(text))
            .map(line)
            .collect()
    };
    let errors = lines(&output.stderr);
    match errors.is_empty() {
        true => lines(&output.stdout).pop(),
        false => Some(errors.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_is_named_with_what_it_said_and_its_status() {
        let step = Step::new("sh").unwrap().arg("-c");
        let script = "echo 'sh 1.47 (today)' >&2; echo 'no \x1b[2J' >&2; exit 7";
        let failure = step.arg(script).run().unwrap_err();
        assert_eq!(failure.status(), 7);
        let reason = failure.reason();
        assert!(reason.contains("the step \"sh -c"), "{reason}");
        assert!(reason.ends_with(": no _[2J"), "{reason}");
    }

    #[test]
    fn a_program_gets_its_input_and_its_output_comes_back() {
        let step = Step::new("cat").unwrap();
        assert_eq!(step.run_with("a\nb").unwrap(), b"a\nb");
        let failure = Step::new("no-such-program").unwrap_err();
        assert!(failure.advice().unwrap().contains("no-such-program"));
    }
}
