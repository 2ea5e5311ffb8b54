//! What is said of each entry that landed, and of the mode and times that it could not be given.

use std::cell::Cell;

use qfile_proto::SafeName;

use crate::place::NotSet;
use crate::say::Say;

/// What has been said in this copy.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    say: &'a Say,
    told_of_mode: Cell<bool>,
    told_of_times: Cell<bool>,
}

impl<'a> Report<'a> {
    /// Nothing has been said yet.
    pub(crate) fn new(say: &'a Say) -> Self {
        Self {
            say,
            told_of_mode: Cell::new(false),
            told_of_times: Cell::new(false),
        }
    }

    /// Names an entry that landed, with `-v`.
    pub(crate) fn landed(&self, name: SafeName<'_>) {
        if self.say.is_verbose() {
            self.say.detail(&text::name(name.as_bytes()));
        }
    }

    /// Says what could not be set: of every entry with `-v`, and to the owner's log once in a copy,
    /// which a sender could fill otherwise.
    pub(crate) fn not_set(&self, name: SafeName<'_>, not_set: NotSet) {
        if not_set == NotSet::default() {
            return;
        }
        let name = text::name(name.as_bytes());
        for (what, errno, was_told) in [
            ("mode", not_set.mode, &self.told_of_mode),
            ("times", not_set.times, &self.told_of_times),
        ] {
            let Some(errno) = errno else { continue };
            let text = format!("the {what} of {name} could not be set: {errno}");
            match was_told.replace(true) {
                true => self.say.detail(&text),
                false => self.say.to_the_owner(&text),
            }
        }
    }
}
