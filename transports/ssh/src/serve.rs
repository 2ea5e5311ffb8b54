//! The other machine: `qrexec-ssh-serve`.
//!
//! A call passes through `request`, which judges the line and who calls → `decide`, which asks the
//! policy and finds the service → `answer`, which runs it. `record` is what the system log gets.
//! `key_line` prints a line for authorized_keys.

mod answer;
mod decide;
mod key_line;
mod record;
mod request;

use std::env;
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;

use clap::CommandFactory as _;
use program::command_line::{WRONG_USAGE, say_lines, what_is_wrong};
use program::failure::Failure;
use qrexec::status::REFUSED;

use crate::args::{SERVE, Serve};
use decide::Refusal;
use record::Record;

/// What sshd sets for a forced command: the command that the caller wants.
const WANTED: &str = "SSH_ORIGINAL_COMMAND";

/// What sshd sets for every command: the two ends of the connection.
const CONNECTION: &str = "SSH_CONNECTION";

/// What sshd sets for a session with a terminal.
const TERMINAL: &str = "SSH_TTY";

/// Does what the command line says; the exit status.
///
/// # Errors
/// The refusal of a call.
pub(crate) fn run(line: &Serve) -> Result<u8, Failure> {
    if line.key_line.is_some() {
        return key_line::print(line).map(|()| 0);
    }
    let wanted = env::var_os(WANTED).unwrap_or_default();
    let mut record = Record::new(&line.name);
    let answered = request::judge(line, wanted.as_bytes(), &mut record)
        .map_err(Refusal::from)
        .and_then(|judged| {
            let decided = decide::decide(line, judged)?;
            answer::answer(&decided, &mut record)
        });
    let answered = answered.map_err(|refusal| {
        record.why = refusal.for_the_log;
        refusal.failure
    });
    let status = match &answered {
        Ok(status) => *status,
        Err(failure) => failure.status(),
    };
    record.write(status, answered.as_ref().err());
    answered
}

/// Ends a process whose command line was not understood. Where sshd has started it, that is a call as
/// well, which is refused: the line in authorized_keys is wrong.
pub(crate) fn without_a_command_line(error: clap::Error) -> ExitCode {
    // A forced command has no terminal: `--key-line` forbids it. A person who has logged in has one.
    let is_set = |name| env::var_os(name).is_some();
    let is_a_call = is_set(WANTED) || (is_set(CONNECTION) && !is_set(TERMINAL));
    if !error.use_stderr() {
        say_lines(&error.render().to_string());
        return ExitCode::SUCCESS;
    }
    let what = what_is_wrong(error, Serve::command());
    if !is_a_call {
        return crate::end(SERVE, Err(Failure::new(what).with_status(WRONG_USAGE)));
    }
    let failure = Failure::new("the command of this key in authorized_keys is wrong")
        .advise("the owner of this machine finds the reason in the system log")
        .with_status(REFUSED);
    // No key has an empty name.
    let mut record = Record::new("");
    let reason = what.lines().next().unwrap_or_default();
    record.why = Some(format!("the command in authorized_keys is wrong: {reason}"));
    record.write(REFUSED, None);
    crate::end(SERVE, Err(failure))
}
