//! `qvm-sync-clock`: asks dom0 for the time and sets the clock to it.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use program::failure::Failure;
use qrexec::client::{self, GRACE, Kind};
use qrexec::status::{CallStatus, of_process};
use rustix::process::{Pid, Signal, kill_process};

use super::args::AskForTime;
use super::set::{Setting, awaited};
use super::time::MAX_LEN;
use crate::arrival::{SinceBoot, read_to_end};
use program::bounded;

/// The name of the program.
pub const NAME: &str = "qvm-sync-clock";

/// Who is asked. Policy can send the call to the qube whose clock is right.
const TARGET: &str = "dom0";
/// What it is asked.
const SERVICE: &str = "qubes.GetDate+nanoseconds";

/// Sets the clock.
///
/// # Errors
/// The call fails, with its status; or what it answers is no time, cannot be right, or is late; or the
/// clock cannot be set.
pub fn run(args: &AskForTime) -> Result<(), Failure> {
    let client = client::find().map_err(|none| Failure::new(&none).advise(none.advice()))?;
    let begin = SinceBoot::now();
    let deadline = Instant::now() + args.timeout;
    let mut call = Command::new(&client)
        .args([TARGET, SERVICE])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(Failure::of(format_args!(
            "cannot start {}",
            text::file(&client)
        )))?;
    let Some(answer) = call.stdout.take() else {
        return Err(Failure::new("cannot read the answer"));
    };
    let arrived = read_to_end(&answer, awaited(begin, args.timeout));
    let setting = Setting {
        program: NAME,
        dry_run: args.dry_run,
    };
    // What is late or too long may have no end.
    if !matches!(&arrived, Ok(arrived) if arrived.untrusted.len() <= MAX_LEN) {
        // It ends the service too, if it is given the time.
        let _has_ended = kill_process(Pid::from_child(&call), Signal::TERM);
        let _status = bounded::wait(&mut call, Instant::now() + GRACE);
        return setting.by(&arrived?, begin);
    }
    let status = bounded::wait(&mut call, deadline)
        .map_err(Failure::of(format_args!("cannot wait for {SERVICE}")))?;
    let kind = Kind::of(&client);
    if let Some(explained) = CallStatus::from(status).explain(kind, SERVICE, TARGET) {
        let failure = Failure::new(format_args!("cannot ask {TARGET} for the time"))
            .because(explained.what)
            .with_status(of_process(status));
        return Err(match explained.advice {
            Some(advice) => failure.advise(advice),
            None => failure,
        });
    }
    setting.by(&arrived?, begin)
}
