//! Where an entry is to land: a checked name, and the descriptor from which it is looked up.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use qfile_proto::name::SafeNameBuf;
use qfile_proto::{Refusal, SafeName};
use rustix::fs::{statat, AtFlags, FileType, OFlags};
use rustix::io::Errno;

use super::errno::refusal;
use super::leftover;
use super::root::Root;

/// The last of the names `name (2)`, `name (3)`, … that are tried.
const LAST_NUMBER: u32 = 999;

/// A name beneath the root. It stays checked when it gets a number.
#[derive(Debug)]
pub(crate) struct Destination<'r> {
    root: &'r Root,
    name: SafeNameBuf,
    /// The folder that the name stands in; `None`: the path starts at the root.
    folder: Option<OwnedFd>,
    /// Where in the name the path begins that calls are given.
    path_start: usize,
    /// The name before it got a number.
    original: Option<SafeNameBuf>,
    number: u32,
}

impl<'r> Destination<'r> {
    /// Looks the folder up that `name` stands in.
    pub(crate) fn find(root: &'r Root, name: SafeName<'_>) -> Result<Self, Refusal> {
        let (folder, path_start) = match name.split_last() {
            (Some(parent), last) if !root.takes_as_path(name) => {
                let folder = root.open_folder(parent, OFlags::PATH).map_err(refusal)?;
                (Some(folder), name.as_bytes().len() - last.len())
            }
            _ => (None, 0),
        };
        Ok(Self {
            root,
            name: name.to_buf(),
            folder,
            path_start,
            original: None,
            number: 1,
        })
    }

    pub(crate) fn root(&self) -> &'r Root {
        self.root
    }

    pub(crate) fn name(&self) -> SafeName<'_> {
        self.name.as_name()
    }

    /// The descriptor from which [`path`](Self::path) is looked up.
    pub(super) fn dir(&self) -> BorrowedFd<'_> {
        self.folder.as_ref().map_or(self.root.dir(), AsFd::as_fd)
    }

    /// The name as calls are given it: of several components only from the root, and only where the
    /// kernel follows no links.
    pub(super) fn path(&self) -> &[u8] {
        &self.name().as_bytes()[self.path_start..]
    }

    /// True once it has another name than it was looked up by.
    pub(crate) fn was_renamed(&self) -> bool {
        self.original.is_some()
    }

    /// Moves on to `name (2)`, `name (3)`, … beside the one asked for.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] when there are too many.
    pub(crate) fn take_next_name(&mut self, is_folder: bool) -> Result<(), Refusal> {
        if self.number == LAST_NUMBER {
            return Err(Refusal::AlreadyExists);
        }
        self.number += 1;
        let original = self.original.get_or_insert_with(|| self.name.clone());
        self.name = original.as_name().numbered(is_folder, self.number);
        Ok(())
    }

    /// What is there, if anything is. What a killed transfer left there is removed first.
    pub(crate) fn existing(&self) -> Result<Option<FileType>, Refusal> {
        match statat(self.dir(), self.path(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if leftover::remove(self.root, self.dir(), self.path(), &stat) => Ok(None),
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(refusal(errno)),
        }
    }
}
