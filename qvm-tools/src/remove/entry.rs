//! One name in a folder → deleted, if what stands there is what was confirmed.
//!
//! Checking a name and then deleting it would be a race: the name may come to mean something else in
//! between. So the entry is renamed first, within its folder, to a private name that nobody else
//! uses, checked there, and then deleted or given back its name; nothing is ever overwritten. The
//! private name is `.qvm-move-` and a number, and, unless that is too long, the old name: killed in
//! between, nothing is lost, and what is left behind tells what it was.
//!
//! Renaming a file changes its time of last change (ctime) on ext4, XFS, btrfs and tmpfs. So that time
//! is compared just before, and everything but that time afterwards, on the same inode, which a
//! descriptor pins meanwhile. Only a process that writes to the file and puts back its time of
//! modification between these two calls goes unnoticed.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};

use qvm_common::manifest::{State, Time};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, fstat, openat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::stays::Reason;

/// Longest private name in bytes; some file systems take no more.
const MAX_PRIVATE_LEN: usize = 143;

/// Deletes entries.
#[derive(Debug)]
pub(super) struct Deleter {
    /// Begins the private names of this process.
    private: String,
    /// Files with other names left, by device and inode.
    ours: HashMap<(u64, u64), Ours>,
}

/// A file of several names, of which one was deleted here.
#[derive(Debug)]
struct Ours {
    /// The time of last change that was confirmed, and was the file's until then.
    confirmed: Time,
    /// The one that deleting gave it.
    now: Time,
}

/// Something that was not deleted.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) reason: Reason,
    /// The name that it has now, if not its own.
    pub(super) now: Option<Vec<u8>>,
}

impl Deleter {
    /// A deleter with private names of its own.
    pub(super) fn new() -> Result<Self, Errno> {
        let mut number = [0; 8];
        getrandom(&mut number, GetRandomFlags::empty())?;
        Ok(Self {
            private: format!(".qvm-move-{:016x}", u64::from_le_bytes(number)),
            ours: HashMap::new(),
        })
    }

    /// Deletes the file or link `leaf` of `folder` if it is in the state `confirmed`.
    pub(super) fn delete(
        &mut self,
        folder: BorrowedFd<'_>,
        leaf: &[u8],
        confirmed: &State,
    ) -> Result<(), Kept> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let pinned = openat(folder, leaf, flags, Mode::empty()).map_err(Kept::refused)?;
        let stat = fstat(&pinned).map_err(Kept::refused)?;
        let (found, names) = (State::from(stat), stat.st_nlink);
        self.compare(&found, confirmed).map_err(Kept::as_it_was)?;
        let deleted = self.away(folder, leaf, AtFlags::empty(), |now| {
            let but_ctime = State {
                ctime: found.ctime,
                ..*now
            };
            difference(&but_ctime, &found)
        });
        if deleted.is_ok() && names > 1 {
            self.remember(&pinned, confirmed);
        }
        deleted
    }

    /// Deletes the folder `leaf` of `folder` if it is the one that was confirmed, and empty.
    pub(super) fn delete_folder(
        &self,
        folder: BorrowedFd<'_>,
        leaf: &[u8],
        confirmed: &State,
    ) -> Result<(), Kept> {
        let check = |now: &State| match now.is_same_inode(confirmed) {
            true => Ok(()),
            false => Err(Reason::Replaced),
        };
        match self.away(folder, leaf, AtFlags::REMOVEDIR, check) {
            // overlayfs renames no folders of a lower layer.
            Err(kept) if kept.reason == Reason::of(Errno::XDEV) => {
                let found =
                    statat(folder, leaf, AtFlags::SYMLINK_NOFOLLOW).map_err(Kept::refused)?;
                check(&State::from(found)).map_err(Kept::as_it_was)?;
                unlinkat(folder, leaf, AtFlags::REMOVEDIR).map_err(Kept::refused)
            }
            other => other,
        }
    }

    /// Renames, checks, and deletes or gives back the name.
    fn away(
        &self,
        folder: BorrowedFd<'_>,
        leaf: &[u8],
        how: AtFlags,
        check: impl Fn(&State) -> Result<(), Reason>,
    ) -> Result<(), Kept> {
        let private = self.private_name(leaf);
        let rename = |from: &[u8], to: &[u8]| {
            renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE)
        };
        rename(leaf, &private).map_err(Kept::refused)?;
        let reason = match statat(folder, &private, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => match check(&State::from(stat)) {
                Ok(()) => match unlinkat(folder, &private, how) {
                    Ok(()) => return Ok(()),
                    // Something was put into it just now.
                    Err(Errno::NOTEMPTY) => Reason::Changed,
                    Err(errno) => Reason::of(errno),
                },
                Err(reason) => reason,
            },
            Err(errno) => Reason::of(errno),
        };
        Err(match rename(&private, leaf) {
            Ok(()) => Kept::as_it_was(reason),
            Err(Errno::NOENT) => Kept::as_it_was(Reason::Gone),
            Err(_) => Kept {
                reason: Reason::Astray,
                now: Some(private),
            },
        })
    }

    fn private_name(&self, leaf: &[u8]) -> Vec<u8> {
        let mut name = self.private.clone().into_bytes();
        if name.len() + 1 + leaf.len() <= MAX_PRIVATE_LEN {
            name.push(b'-');
            name.extend_from_slice(leaf);
        }
        name
    }

    fn compare(&self, found: &State, confirmed: &State) -> Result<(), Reason> {
        let ours = self.ours.get(&(found.device, found.inode));
        let by_us =
            ours.is_some_and(|ours| (ours.confirmed, ours.now) == (confirmed.ctime, found.ctime));
        let confirmed = State {
            ctime: if by_us { found.ctime } else { confirmed.ctime },
            ..*confirmed
        };
        difference(found, &confirmed)
    }

    /// A name of the file that was in the state `confirmed` is gone; it may have names left.
    fn remember(&mut self, pinned: impl AsFd, confirmed: &State) {
        let key = (confirmed.device, confirmed.inode);
        match fstat(pinned) {
            Ok(stat) if stat.st_nlink > 0 => {
                let ours = Ours {
                    confirmed: confirmed.ctime,
                    now: State::from(stat).ctime,
                };
                self.ours.insert(key, ours);
            }
            _ => drop(self.ours.remove(&key)),
        }
    }
}

impl Kept {
    /// It has the name that it had.
    pub(super) fn as_it_was(reason: Reason) -> Self {
        Self { reason, now: None }
    }

    /// The system refused.
    pub(super) fn refused(errno: Errno) -> Self {
        Self::as_it_was(Reason::of(errno))
    }
}

fn difference(found: &State, expected: &State) -> Result<(), Reason> {
    let kind = |state: &State| FileType::from_raw_mode(state.mode);
    if !found.is_same_inode(expected) || kind(found) != kind(expected) {
        return Err(Reason::Replaced);
    }
    if found != expected {
        return Err(Reason::Changed);
    }
    Ok(())
}
