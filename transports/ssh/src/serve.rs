//! The other machine: `qrexec-ssh-serve`.
//!
//! A call passes through `request`, which judges the line and who calls → `decide`, which asks the
//! policy and finds the service → `answer`, which runs it → `record`, the line in the system log.
//! `key_line` prints a line for authorized_keys.

mod answer;
mod decide;
mod key_line;
mod record;
mod request;

use std::env;
use std::os::unix::ffi::OsStrExt as _;

use program::failure::Failure;

use crate::args::Serve;
use record::Record;

/// What sshd sets for a forced command: the command that the caller wants.
const WANTED: &str = "SSH_ORIGINAL_COMMAND";

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
    let answered = request::judge(line, wanted.as_bytes(), &mut record).and_then(|judged| {
        let decided = decide::decide(line, judged).map_err(|refusal| {
            record.why = refusal.for_the_log;
            refusal.failure
        })?;
        answer::answer(&decided, &mut record)
    });
    let status = match &answered {
        Ok(status) => *status,
        Err(failure) => failure.status(),
    };
    record.write(status, answered.as_ref().err());
    answered
}
