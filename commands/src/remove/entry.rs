//! One name in a folder → deleted, if what stands there is what was confirmed.
//!
//! Checking a name and then deleting it would be a race: the name may come to mean something else in
//! between. So the entry is put [`aside`](super::aside) first: renamed, within its folder, to a
//! private name that nobody else uses. There it is checked, and then deleted or given back its name.
//! The private name is `.qvm-move-` and a number, and, unless that is too long, the old name: killed
//! in between, nothing is lost, and what is left behind tells what it was.
//!
//! Renaming a file changes its time of last change (ctime) on ext4, XFS, btrfs and tmpfs. So that time
//! is compared just before, and everything but that time afterwards, on the same inode, which a
//! descriptor pins meanwhile. Only a process that writes to the file and puts back its time of
//! modification between these two calls goes unnoticed. What a program has open for writing is not
//! touched at all.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::SystemTime;

use files::{Fallback, FileId, Stat, State, Time, is_unsupported};
use rustix::fs::{AtFlags, Mode, OFlags, openat, statat, unlinkat};
use rustix::io::Errno;

use super::aside::{Aside, PrivateNames};
use super::stays::{Note, Reason};
use super::writers::Writers;

/// Deletes entries.
#[derive(Debug)]
pub(super) struct Deleter {
    private: PrivateNames,
    writers: Writers,
    /// Files that changed while they were sent, by device and inode: whatever else says that they
    /// arrived, they stay.
    changed: HashSet<FileId>,
    /// Files with other names left, by device and inode.
    ours: HashMap<FileId, Ours>,
    /// The same where each name of a file has a number of its own: by what is the same for all names.
    ours_by_state: HashMap<AllNames, RangeInclusive<Time>>,
}

/// Device, mode, size, time of modification and time of last change: what was confirmed of every name
/// of a file.
type AllNames = (u64, u32, u64, Time, Time);

/// A file of several names, of which one was deleted here.
#[derive(Debug)]
struct Ours {
    /// The time of last change that was confirmed, and was the file's until then.
    confirmed: Time,
    /// The one that deleting gave it: its earliest and latest.
    now: RangeInclusive<Time>,
}

/// Something that was not deleted.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) reason: Reason,
    /// What else is to be told of it.
    pub(super) note: Option<Note>,
}

impl Deleter {
    /// A deleter with private names of its own, which leaves the files `changed` alone.
    pub(super) fn new(changed: HashSet<FileId>) -> Result<Self, Errno> {
        Ok(Self {
            private: PrivateNames::new()?,
            writers: Writers::default(),
            changed,
            ours: HashMap::new(),
            ours_by_state: HashMap::new(),
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
        let stat = Stat::fresh(&pinned).map_err(Kept::refused)?;
        let (found, names) = (stat.state, stat.links);
        if self.changed.contains(&found.id) {
            return Err(Kept::as_it_was(Reason::Torn));
        }
        self.compare(&found, confirmed).map_err(Kept::as_it_was)?;
        if let Some(program) = self.writers.program_of(&found) {
            return Err(Kept {
                reason: Reason::Open,
                note: Some(Note::OpenIn(program.to_owned())),
            });
        }
        let begin = earliest_stamp(&found);
        let aside = self
            .private
            .put_aside(folder, leaf, Fallback::Look)
            .map_err(Kept::refused)?;
        let deleted = delete_aside(aside, AtFlags::empty(), |now| {
            let ctime = found.ctime;
            difference(&State { ctime, ..*now }, &found)
        });
        if deleted.is_ok() && names > 1 {
            self.remember(&pinned, confirmed, begin);
        }
        deleted
    }

    /// Deletes the folder `leaf` of `folder` if it is the one that was confirmed, and empty.
    pub(super) fn delete_folder(
        &mut self,
        folder: BorrowedFd<'_>,
        leaf: &[u8],
        confirmed: &State,
    ) -> Result<(), Kept> {
        let check = |now: &State| match now.is_same_file(confirmed) {
            true => Ok(()),
            false => Err(Reason::Replaced),
        };
        match self.private.put_aside(folder, leaf, Fallback::None) {
            Ok(aside) => delete_aside(aside, AtFlags::REMOVEDIR, check),
            // overlayfs renames no folders of a lower layer. rmdir(2) deletes only what is empty,
            // so nothing is lost without the private name.
            Err(errno) if errno == Errno::XDEV || is_unsupported(errno) => {
                let found =
                    statat(folder, leaf, AtFlags::SYMLINK_NOFOLLOW).map_err(Kept::refused)?;
                check(&State::from(found)).map_err(Kept::as_it_was)?;
                unlinkat(folder, leaf, AtFlags::REMOVEDIR).map_err(Kept::undeleted)
            }
            Err(errno) => Err(Kept::refused(errno)),
        }
    }

    fn compare(&self, found: &State, confirmed: &State) -> Result<(), Reason> {
        let ours = self.ours.get(&found.id);
        let by_us = match ours {
            Some(ours) => ours.confirmed == confirmed.ctime && ours.now.contains(&found.ctime),
            None => self
                .ours_by_state
                .get(&all_names(confirmed))
                .is_some_and(|now| now.contains(&found.ctime)),
        };
        let confirmed = State {
            ctime: if by_us { found.ctime } else { confirmed.ctime },
            ..*confirmed
        };
        difference(found, &confirmed)
    }

    /// A name of the file that was in the state `confirmed` is gone, not before `begin`; the file
    /// may have names left.
    fn remember(&mut self, pinned: impl AsFd, confirmed: &State, begin: Time) {
        let key = confirmed.id;
        let now = match Stat::fresh(pinned) {
            Ok(stat) if stat.links == 0 => {
                self.ours.remove(&key);
                return;
            }
            Ok(stat) => stat.state.ctime..=stat.state.ctime,
            // Many file systems of FUSE know a file only by the name that is gone.
            Err(_) => {
                let now = begin..=clock();
                // Files that look alike share one entry.
                let known = self.ours_by_state.entry(all_names(confirmed));
                known
                    .and_modify(|known| *known = *known.start()..=*now.end())
                    .or_insert_with(|| now.clone());
                now
            }
        };
        let ours = Ours {
            confirmed: confirmed.ctime,
            now,
        };
        self.ours.insert(key, ours);
    }
}

fn all_names(confirmed: &State) -> AllNames {
    let State {
        id,
        mode,
        size,
        mtime,
        ctime,
    } = *confirmed;
    (id.device, mode, size, mtime, ctime)
}

/// The earliest time that a file like `found` can get from now on: the clock that files are stamped
/// with is up to 10 ms late, and some file systems keep whole seconds only.
fn earliest_stamp(found: &State) -> Time {
    const LATE: u32 = 20_000_000;
    let now = clock();
    if (found.mtime.nanoseconds, found.ctime.nanoseconds) == (0, 0) {
        return Time {
            nanoseconds: 0,
            ..now
        };
    }
    match now.nanoseconds.checked_sub(LATE) {
        Some(nanoseconds) => Time { nanoseconds, ..now },
        None => Time {
            seconds: now.seconds - 1,
            nanoseconds: now.nanoseconds + (1_000_000_000 - LATE),
        },
    }
}

fn clock() -> Time {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Time {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: since.subsec_nanos(),
    }
}

/// Checks what was put aside, and deletes it or gives it back its name.
fn delete_aside(
    aside: Aside<'_>,
    how: AtFlags,
    check: impl Fn(&State) -> Result<(), Reason>,
) -> Result<(), Kept> {
    let checked = aside.state().map_err(Reason::of);
    let deleted = checked.and_then(|state| check(&state)).and_then(|()| {
        let deleted = aside.delete(how);
        deleted.map_err(Reason::of_undeleted)
    });
    let Err(reason) = deleted else { return Ok(()) };
    Err(match aside.give_back() {
        Ok(()) => Kept::as_it_was(reason),
        Err(Errno::NOENT) => Kept::as_it_was(Reason::Gone),
        Err(_) => Kept {
            reason: Reason::Astray,
            note: Some(Note::NowCalled(aside.into_name())),
        },
    })
}

impl Kept {
    /// It has the name that it had.
    pub(super) fn as_it_was(reason: Reason) -> Self {
        Self { reason, note: None }
    }

    /// The system refused.
    pub(super) fn refused(errno: Errno) -> Self {
        Self::as_it_was(Reason::of(errno))
    }

    /// The system refused to delete it.
    fn undeleted(errno: Errno) -> Self {
        Self::as_it_was(Reason::of_undeleted(errno))
    }
}

fn difference(found: &State, expected: &State) -> Result<(), Reason> {
    if !found.is_same_file(expected) || found.file_type() != expected.file_type() {
        return Err(Reason::Replaced);
    }
    if found != expected {
        return Err(Reason::Changed);
    }
    Ok(())
}
