//! From the command line to the end.

use std::env;
use std::fmt::Display;
use std::process::ExitCode;

use program::command_line;
use program::failure::{FAILED, Failure, end_with};
use program::say::say;
use program::system_log;

use crate::args::{Block, Event, Usb, arguments};
use crate::udev::Properties;
use crate::{block, usb};

/// Runs `qubes-block-devices`; its exit status.
#[must_use]
pub fn main_of_block() -> ExitCode {
    let args = match command_line::parse_from::<Block>(arguments(env::args_os())) {
        Ok(args) => args,
        Err(status) => return status,
    };
    let event = Properties::of_event;
    ended(
        block::NAME,
        match args.event {
            Event::AddChange => block::add_change(&event()),
            Event::Remove => block::remove(&event()),
            Event::Refresh => block::refresh(&event()),
        },
    )
}

/// Runs `qubes-usb-devices`; its exit status.
#[must_use]
pub fn main_of_usb() -> ExitCode {
    let args = match command_line::parse_from::<Usb>(arguments(env::args_os())) {
        Ok(args) => args,
        Err(status) => return status,
    };
    let event = Properties::of_event;
    ended(
        usb::NAME,
        match args.event {
            Event::AddChange => usb::add_change(&event()),
            Event::Remove => usb::remove(&event()),
            Event::Refresh => usb::refresh(),
        },
    )
}

/// Ends a program. udev throws stderr away, so it is also said in the log.
fn ended(name: &'static str, result: Result<(), Failure>) -> ExitCode {
    end_with(name, result, |lines| say_lines(name, lines))
}

/// Says something in the name of a program, on stderr and in the log of the system.
pub(crate) fn say_line(name: &'static str, text: impl Display) {
    say_lines(name, &format!("{name}: {text}"));
}

fn say_lines(name: &'static str, lines: &str) {
    say(lines);
    for line in lines.lines() {
        let text = line
            .strip_prefix(name)
            .and_then(|line| line.strip_prefix(": "));
        system_log::warn(name, text.unwrap_or(line));
    }
}

/// Steps of a program, of which one that fails keeps no other back. It is said at once.
#[derive(Debug)]
pub(crate) struct Steps {
    name: &'static str,
    has_failed: bool,
}

impl Steps {
    /// Those of the program of this name; none is done yet.
    pub(crate) fn of(name: &'static str) -> Self {
        Self {
            name,
            has_failed: false,
        }
    }

    /// Takes note of how a step ended.
    pub(crate) fn take(&mut self, done: Result<(), Failure>) {
        if let Err(failure) = done {
            say_lines(self.name, &failure.lines(self.name));
            self.has_failed = true;
        }
    }

    /// How all of them ended.
    pub(crate) fn end(self) -> Result<(), Failure> {
        match self.has_failed {
            true => Err(Failure::said(FAILED)),
            false => Ok(()),
        }
    }
}
