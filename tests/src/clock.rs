//! Programs that set the clock, which they never do here: `strace` answers every call that would, in
//! the kernel's place, and notes what it would have been.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::cannot_run::needs_program;
use crate::process::{Finished, run, wrapped_in};
use crate::receiver::needs_strace;
use crate::tree::TempFolder;
use crate::user::am_root;

/// All calls that change the clock of the system.
const CALLS: &str = "clock_settime,clock_adjtime,adjtimex,settimeofday";

/// The test needs strace, and may never do without.
///
/// # Errors
/// Says what is missing.
pub fn needs_guard() -> Result<(), String> {
    needs_strace()?;
    match am_root() {
        true => needs_program("setpriv"),
        false => Ok(()),
    }
}

/// What a program would have done to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Set it to this time: seconds since 1970, and nanoseconds.
    Set(i64, i64),
    /// Corrected it slowly by so many microseconds.
    Slew(i64),
}

/// The notes about programs that would change the clock.
#[derive(Debug)]
pub struct Guard {
    folder: TempFolder,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new()
    }
}

impl Guard {
    /// Without notes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            folder: TempFolder::open_to_all(),
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("trace")
    }

    /// `command`, which cannot change the clock, and neither can what it starts.
    #[must_use]
    pub fn around(&self, command: &Command) -> Command {
        let log = self.log();
        let log = log.to_str().expect("a plain path");
        let trace = format!("trace={CALLS}");
        let inject = format!("inject={CALLS}:retval=0");
        let options = ["--seccomp-bpf", "-f", "-qq", "--signal=none", "-o", log];
        let guard = [&["strace"], &options[..], &["-e", &trace, "-e", &inject]].concat();
        // A call that strace would miss, the kernel refuses.
        let powerless = match am_root() {
            true => &[
                "setpriv",
                "--bounding-set=-sys_time",
                "--inh-caps=-sys_time",
            ][..],
            false => &[],
        };
        wrapped_in(&[powerless, &guard].concat(), command)
    }

    /// Runs it, and says what it would have done.
    #[must_use]
    pub fn run(&self, command: &Command) -> (Finished, Vec<Change>) {
        let finished = run(self.around(command));
        (finished, self.changes())
    }

    /// What the programs would have done.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        // A process that was killed before it was known what it wants.
        let is_nothing = |line: &&str| line.ends_with("???( <detached ...>");
        let calls: Vec<&str> = text.lines().filter(|line| !is_nothing(line)).collect();
        // Each call was made up; one that was made would be the worst thing here.
        assert!(
            calls.iter().all(|line| line.ends_with("(INJECTED)")),
            "{text}"
        );
        calls.into_iter().map(change).collect()
    }
}

fn change(line: &str) -> Change {
    let number = |key: &str| -> Option<i64> {
        let (_, rest) = line.split_once(key)?;
        let digits = rest.split(|c: char| !c.is_ascii_digit() && c != '-').next();
        digits?.parse().ok()
    };
    let understood = if line.contains("clock_settime(CLOCK_REALTIME, ") {
        let seconds = number("{tv_sec=");
        seconds.and_then(|seconds| Some(Change::Set(seconds, number("tv_nsec=")?)))
    } else if line.contains("{modes=ADJ_OFFSET_SINGLESHOT, ") {
        number("offset=").map(Change::Slew)
    } else {
        None
    };
    understood.unwrap_or_else(|| panic!("what is this? {line}"))
}
