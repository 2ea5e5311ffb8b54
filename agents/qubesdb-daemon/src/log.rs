//! What the daemon says to its administrator.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Display;

use program::say::say;

/// Most lines between two calls of [`Log::refill`].
const LINES: u32 = 200;

/// How often the same line is said in that time, so that one complaint does not hide the others.
const SAME: u32 = 5;

/// A log that another qube cannot fill: lines beyond a number are left out.
#[derive(Debug)]
pub(crate) struct Log {
    left: Cell<u32>,
    // At most one for each line that was said.
    said: RefCell<HashMap<String, u32>>,
    name: &'static str,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self {
            left: Cell::new(LINES),
            said: RefCell::default(),
            name: "qubesdb-daemon",
        }
    }

    /// One line. What is foreign in it has passed the text filter.
    pub(crate) fn line(&self, text: impl Display) {
        let text = text.to_string();
        match self.admits(&text) {
            None => {}
            Some("") => say(format_args!("{}: {text}", self.name)),
            Some(remark) => say(format_args!(
                "{}: {text}\n{}: {remark}",
                self.name, self.name
            )),
        }
    }

    /// May this line be said? With what remark behind it.
    fn admits(&self, text: &str) -> Option<&'static str> {
        let left = self.left.get().checked_sub(1)?;
        let mut said = self.said.borrow_mut();
        let times = said.entry(text.to_owned()).or_default();
        if *times == SAME {
            return None;
        }
        *times += 1;
        self.left.set(left);
        Some(match left {
            0 => "more lines are left out for an hour",
            _ if *times == SAME => "the same line is left out for an hour",
            _ => "",
        })
    }

    /// An hour is over.
    pub(crate) fn refill(&self) {
        self.left.set(LINES);
        self.said.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_complaint_hides_no_other_and_all_are_limited() {
        let log = Log::new();
        let said = |text: &str| (0..1000).filter(|_| log.admits(text).is_some()).count();
        assert_eq!(said("full"), 5);
        assert_eq!(said("other"), 5);
        let many = (0..1000).filter(|number| log.admits(&number.to_string()).is_some());
        assert_eq!(many.count(), 190);
        assert_eq!(said("last"), 0);
        log.refill();
        assert_eq!(said("full"), 5);
    }
}
