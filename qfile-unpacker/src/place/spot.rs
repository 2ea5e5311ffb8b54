//! The spot where an entry is to land, and what is made there with a single call: links, folders.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use qfile_proto::{Entry, Refusal, SafeName, SafeTarget};
use rustix::fs::{
    mkdirat, readlinkat, statat, symlinkat, utimensat, AtFlags, FileType, Mode, OFlags,
};
use rustix::io::Errno;

use super::conflict::{numbered, LAST_NUMBER};
use super::{leftover, refusal, resolve, times, Root};

/// A name, and the folder from which it is looked up.
#[derive(Debug)]
pub struct Spot<'a> {
    pub(super) root: &'a Root,
    /// The folder that the name stands in; `None`: the path starts at the root.
    folder: Option<OwnedFd>,
    /// That folder's name, for messages.
    folder_name: Vec<u8>,
    /// Several components only from the root, and only where the kernel follows no links.
    path: Vec<u8>,
    /// The path before it got a number.
    original: Option<Vec<u8>>,
    number: u32,
}

impl<'a> Spot<'a> {
    pub(super) fn find(root: &'a Root, name: SafeName<'_>) -> Result<Self, Refusal> {
        let (parent, last) = name.split_last();
        let (folder, path) = match parent {
            None => (None, last),
            Some(_) if root.may_use_paths && name.as_bytes().len() <= resolve::MAX_PATH => {
                (None, name.as_bytes())
            }
            Some(parent) => {
                let folder = resolve::open_folder(root, parent, OFlags::PATH).map_err(refusal)?;
                (Some(folder), last)
            }
        };
        Ok(Self {
            root,
            folder_name: folder
                .as_ref()
                .and(parent)
                .map_or(Vec::new(), |it| it.as_bytes().to_vec()),
            folder,
            path: path.to_vec(),
            original: None,
            number: 1,
        })
    }

    /// The path beneath `dir`.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The path beneath the incoming folder.
    #[must_use]
    pub fn whole_path(&self) -> Vec<u8> {
        match &self.folder {
            Some(_) => [&self.folder_name, &self.path[..]].join(&b'/'),
            None => self.path.clone(),
        }
    }

    /// True once it has another name than the stream gave it.
    #[must_use]
    pub fn was_renamed(&self) -> bool {
        self.original.is_some()
    }

    /// The descriptor from which the path is looked up.
    pub(super) fn dir(&self) -> BorrowedFd<'_> {
        self.folder
            .as_ref()
            .map_or(self.root.dir.as_fd(), AsFd::as_fd)
    }

    /// What is there, if anything is. What a killed transfer left there is removed first.
    ///
    /// # Errors
    /// Those of the calls it takes.
    pub fn look(&self) -> Result<Option<FileType>, Refusal> {
        match statat(self.dir(), &*self.path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if leftover::remove(self, &stat) => Ok(None),
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(refusal(errno)),
        }
    }

    /// Moves on to `name (2)`, `name (3)`, … beside the one asked for.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] when there are too many.
    pub fn next_name(&mut self, is_folder: bool) -> Result<(), Refusal> {
        if self.number == LAST_NUMBER {
            return Err(Refusal::AlreadyExists);
        }
        self.number += 1;
        let original = self.original.get_or_insert_with(|| self.path.clone());
        self.path = numbered(original, is_folder, self.number);
        Ok(())
    }

    /// Makes the folder, for its owner only. True if it is new, false if a folder is there.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] if something else is there.
    pub fn make_folder(&self) -> Result<bool, Refusal> {
        match mkdirat(self.dir(), &*self.path, Mode::RWXU) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => match self.look()? {
                Some(FileType::Directory) => Ok(false),
                _ => Err(Refusal::AlreadyExists),
            },
            Err(errno) => Err(refusal(errno)),
        }
    }

    /// Makes the link.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] if anything is there.
    pub fn make_link(&self, target: SafeTarget<'_>, entry: &Entry) -> Result<(), Refusal> {
        let (dir, path) = (self.dir(), &*self.path);
        symlinkat(target.as_bytes(), dir, path).map_err(refusal)?;
        utimensat(dir, path, &times(entry), AtFlags::SYMLINK_NOFOLLOW).map_err(refusal)
    }

    /// Accepts that a link with this very target is there.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] if it is anything else.
    pub fn check_link(&self, target: SafeTarget<'_>) -> Result<(), Refusal> {
        match readlinkat(self.dir(), &*self.path, Vec::new()) {
            Ok(there) if there.as_bytes() == target.as_bytes() => Ok(()),
            _ => Err(Refusal::AlreadyExists),
        }
    }
}
