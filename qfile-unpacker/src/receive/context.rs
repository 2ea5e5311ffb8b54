//! What receiving an entry of any kind takes.

use qfile_proto::Charset;

use super::report::Report;
use super::space::Space;
use crate::options::Options;
use crate::place::Root;
use crate::say::Say;

/// The same for every entry of a stream.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) root: Root,
    pub(super) charset: Charset,
    pub(super) space: Space,
    pub(super) options: &'a Options,
    pub(super) say: &'a Say,
    pub(super) report: Report<'a>,
}

impl<'a> Context<'a> {
    pub(super) fn new(root: Root, options: &'a Options, say: &'a Say) -> Self {
        Self {
            root,
            charset: match options.allow_all_names {
                true => Charset::All,
                false => Charset::Safe,
            },
            space: Space::new(options),
            options,
            say,
            report: Report::new(say),
        }
    }
}
