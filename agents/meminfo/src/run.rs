//! From the command line to the end.

use std::env;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::thread;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use nix::sys::signal::{SigSet, Signal};
use program::command_line::say_lines;
use program::failure::{FAILED, Failure, end_with};
use program::say::say;
use program::system_log;

use crate::args::{Args, XENSTORE, XENSTORE_VARIABLE};
use crate::background;
use crate::counters::Source;
use crate::pace::Pace;
use crate::report::{Reported, text, used};
use crate::xenstore::XenStore;

const NAME: &str = "meminfo-writer";

/// The key of the report, below the path of this domain.
const KEY: &str = "memory/meminfo";

/// Runs the program; its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let said = error.render().to_string();
            say_lines(&said);
            if error.kind() == ErrorKind::ValueValidation {
                say_lines(&Args::command().render_usage().to_string());
            }
            return match error.use_stderr() {
                // Not 2, as of other programs: units and scripts know this one.
                true => ExitCode::from(FAILED),
                false => ExitCode::SUCCESS,
            };
        }
    };
    let mut log = Log::Stderr;
    let ended = match args.worker || args.foreground {
        true => work(&args, &mut log),
        false => start(&args),
    };
    end_with(NAME, ended, |lines| log.lines(lines))
}

/// Where messages go.
#[derive(Clone, Copy, Debug)]
enum Log {
    Stderr,
    /// Once nobody reads stderr.
    System,
}

impl Log {
    fn line(self, text: impl Display) {
        self.lines(&format!("{NAME}: {text}"));
    }

    /// Lines that begin with the name of the program.
    fn lines(self, lines: &str) {
        match self {
            Self::Stderr => say(lines),
            Self::System => {
                for line in lines.lines() {
                    let text = line.split_once(": ").map_or(line, |(_, text)| text);
                    system_log::warn(NAME, text);
                }
            }
        }
    }
}

/// Starts the process in the background.
fn start(args: &Args) -> Result<(), Failure> {
    let pid = background::start()?;
    match &args.pid_file {
        Some(path) => background::write_pid(path, pid),
        None => Ok(()),
    }
}

/// Reports, until the process is ended.
fn work(args: &Args, log: &mut Log) -> Result<(), Failure> {
    if args.worker {
        background::leave_session();
    }
    let wake_up = wake_up_signal();
    if args.pid_file.is_some() {
        // From here on the signal waits for this process, so it may be sent once its number is known.
        wake_up
            .thread_block()
            .map_err(Failure::of("cannot block SIGUSR1"))?;
        if let Some(path) = args.pid_file.as_ref().filter(|_| args.foreground) {
            background::write_pid(path, process::id())?;
        }
        tell_ready(args, log)?;
        wake_up
            .wait()
            .map_err(Failure::of("cannot wait for SIGUSR1"))?;
        // Later ones are to do nothing, as they do to the program of Qubes OS: it stays blocked.
    }
    let mut source = Source::open().map_err(Failure::of("cannot open \"/proc/meminfo\""))?;
    let path = path();
    let shown = text::file(&path);
    let store = XenStore::open(&path).map_err(|error| {
        Failure::new(format_args!("cannot open XenStore, {shown}"))
            .because(error)
            .advise("only a qube on Xen has it")
    })?;
    let mut writer = Writer {
        store,
        reported: Reported::nothing(args.threshold),
        has_complained: false,
    };
    let mut pace = Pace::new(Duration::from_micros(args.delay), args.threshold);
    let mut wait = writer.look(args, &mut source, &mut pace, *log)?;
    if args.pid_file.is_none() {
        tell_ready(args, log)?;
    }
    loop {
        thread::sleep(wait);
        wait = writer.look(args, &mut source, &mut pace, *log)?;
    }
}

fn wake_up_signal() -> SigSet {
    let mut set = SigSet::empty();
    set.add(Signal::SIGUSR1);
    set
}

fn tell_ready(args: &Args, log: &mut Log) -> Result<(), Failure> {
    if args.worker {
        background::tell_ready().map_err(Failure::of("cannot go into the background"))?;
        *log = Log::System;
    }
    Ok(())
}

/// The device or socket of XenStore.
fn path() -> PathBuf {
    env::var_os(XENSTORE_VARIABLE)
        .filter(|path| !path.is_empty())
        .map_or_else(|| XENSTORE.into(), PathBuf::from)
}

/// What reports.
#[derive(Debug)]
struct Writer {
    store: XenStore,
    reported: Reported,
    has_complained: bool,
}

impl Writer {
    /// Looks once, and reports if it is due; how long to wait then.
    fn look(
        &mut self,
        args: &Args,
        source: &mut Source,
        pace: &mut Pace,
        log: Log,
    ) -> Result<Duration, Failure> {
        let counters = match source.read() {
            Ok(counters) => counters,
            Err(error) => {
                // Once: it would be the same at every look.
                if !self.has_complained {
                    log.line(format_args!(
                        "cannot understand \"/proc/meminfo\", so nothing is reported: {error}"
                    ));
                    self.has_complained = true;
                }
                return Ok(pace.after_nothing());
            }
        };
        if self.reported.is_due(&counters) {
            let report = text(args.format, &counters);
            self.store
                .write(KEY, report.as_bytes())
                .map_err(Failure::of(format_args!(
                    "cannot write \"{KEY}\" to XenStore"
                )))?;
            self.reported.is(&counters);
        }
        Ok(pace.after(used(&counters)))
    }
}
