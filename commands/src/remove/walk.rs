//! The manifest from its first record to its last: into a folder, through what stands in it, out
//! again, and away with it if it is empty.
//!
//! Only the folder at hand is open, whatever the depth. The way back is `..`, accepted only if it
//! leads to the folder that the walk came from. The only path that is looked up again is that of the
//! folder in which an argument stands, and it counts only if it still leads to the same folder.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::walk::{Exclude, Links, open_folder};
use files::{State, last_component};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;
use transfer::landed::Landed;
use transfer::manifest::{AbsolutePaths, Kind, Record};

use super::entry::{Deleter, Kept};
use super::plan::{Plan, prefix_len, records};
use super::stays::{End, Note, Reason, Stays};

/// A folder as a place to work in; it need not be readable.
const O_PLACE: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Deletes what a manifest says.
#[derive(Debug)]
pub(super) struct Remover {
    links: Links,
    landed: Option<Landed>,
    exclude: Option<Exclude>,
    stop: Arc<AtomicBool>,
    stays: Stays,
    /// The path of the innermost of `levels`.
    path: Vec<u8>,
    /// From the folder that the argument stands in down to the one at hand.
    levels: Vec<Level>,
    /// The one at hand.
    here: Option<OwnedFd>,
    /// Why the argument that comes next cannot be reached.
    unreachable: Option<Reason>,
    /// What stands below the path of this length stays, and that has been told.
    skipped: Option<usize>,
    /// Names of arguments that were left out, and that has been told.
    told_arguments: HashSet<Vec<u8>>,
}

/// A folder.
#[derive(Debug)]
struct Level {
    /// Bytes of the path that name it; a `/` follows.
    prefix: usize,
    state: State,
    /// Names in it that are known to stay.
    told: HashSet<Vec<u8>>,
}

impl Remover {
    /// A remover for a copy in which this became of links; it ends soon when `stop` is set.
    pub(super) fn new(links: Links, landed: Option<Landed>, stop: Arc<AtomicBool>) -> Self {
        Self {
            links,
            landed,
            exclude: None,
            stop,
            stays: Stays::default(),
            path: Vec::new(),
            levels: Vec::new(),
            here: None,
            unreachable: None,
            skipped: None,
            told_arguments: HashSet::new(),
        }
    }

    /// The same of a copy that left out what `exclude` matches.
    pub(super) fn without(mut self, exclude: Option<Exclude>) -> Self {
        self.exclude = exclude;
        self
    }

    /// Deletes what `manifest` says, and tells what stays of it and of `arguments`, and how it
    /// ended.
    ///
    /// # Errors
    /// The manifest cannot be read, or was cut: then nothing was deleted.
    pub(super) fn remove(
        mut self,
        manifest: &File,
        arguments: &[Vec<u8>],
    ) -> io::Result<(Stays, End)> {
        let mut plan = Plan::of(manifest)?;
        let mut deleter = Deleter::new(std::mem::take(&mut plan.changed))?;
        let mut records = records(manifest)?;
        let mut interrupted = false;
        loop {
            let record = match records.next() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => return Ok((self.stays, End::Unreadable(error))),
            };
            let left_out = reason_of(record.kind);
            interrupted |= self.stop.load(Ordering::Relaxed);
            match (left_out, record.kind) {
                // What has no good copy is told in any case.
                (Some(reason), _) if interrupted => self.stays.add(reason, record.path, None),
                _ if interrupted => {}
                (Some(reason), _) => self.left_out(&mut deleter, &record, reason, &plan),
                (None, Kind::Base) => {
                    self.leave_until(&mut deleter, |_| false);
                    self.enter_base(&record);
                }
                (None, _) => self.entry(&mut deleter, &record, &plan),
            }
        }
        if interrupted {
            return Ok((self.stays, End::Interrupted));
        }
        self.leave_until(&mut deleter, |_| false);
        let mut paths = AbsolutePaths::default();
        for path in arguments {
            let name = last_component(path);
            if !plan.known.contains(name) && !self.told_arguments.contains(name) {
                let absolute = paths.absolute(path)?;
                let reason = match self.landed.as_ref() {
                    Some(landed) if landed.contains(&absolute) => Reason::Unconfirmed,
                    _ => self.reason_for(CWD, path, name, FileType::Unknown),
                };
                self.stays.add(reason, path, None);
            }
        }
        Ok((self.stays, End::Complete))
    }

    fn enter_base(&mut self, record: &Record<'_>) {
        self.skipped = None;
        self.unreachable = None;
        let opened = open_folder(CWD, record.path).and_then(|folder| {
            let found = State::from(fstat(&folder)?);
            Ok((folder, found))
        });
        match opened {
            Ok((folder, found)) if found.is_same_file(&record.state) => {
                self.enter(record, folder);
            }
            Ok(_) => self.unreachable = Some(Reason::Replaced),
            Err(error) => {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                self.unreachable = Some(Reason::of(errno));
            }
        }
    }

    fn entry(&mut self, deleter: &mut Deleter, record: &Record<'_>, plan: &Plan) {
        if self.skipped.is_some_and(|len| record.is_below(len)) {
            return;
        }
        self.skipped = None;
        self.leave_until(deleter, |level| record.is_below(level.prefix));
        let leaf = last_component(record.path);
        let is_argument = self.unreachable.is_some() || self.levels.len() == 1;
        if is_argument && plan.inside_another.contains(leaf) {
            self.skipped = Some(record.path.len());
            return;
        }
        let Some(here) = &self.here else {
            // Lost on the way back, or not reached at all.
            if let Some(reason) = self.unreachable {
                self.stays.add(reason, record.path, None);
                self.skipped = Some(record.path.len());
            }
            return;
        };
        let kept = match FileType::from_raw_mode(record.state.mode) {
            FileType::Directory => match enter_folder(here.as_fd(), leaf, &record.state) {
                Ok(folder) => {
                    self.enter(record, folder);
                    return;
                }
                Err(reason) => Kept::as_it_was(reason),
            },
            _ => match deleter.delete(here.as_fd(), leaf, &record.state) {
                Ok(()) => return,
                Err(kept) => kept,
            },
        };
        self.skipped = Some(record.path.len());
        let (leaf, path) = (leaf.to_vec(), record.path);
        self.keep(kept, leaf, path);
    }

    /// Something that was not sent as it should be, and why it stays.
    fn left_out(
        &mut self,
        deleter: &mut Deleter,
        record: &Record<'_>,
        reason: Reason,
        plan: &Plan,
    ) {
        if self.skipped.is_some_and(|len| record.is_below(len)) {
            return;
        }
        self.skipped = None;
        self.leave_until(deleter, |level| record.is_below(level.prefix));
        let leaf = last_component(record.path);
        if self.levels.len() <= 1 {
            if plan.inside_another.contains(leaf) {
                return;
            }
            self.told_arguments.insert(leaf.to_vec());
        }
        self.stays.add(reason, record.path, None);
        // Unless it was found through a link, it stands in the folder at hand.
        let above = record.path.len() - leaf.len();
        if self
            .levels
            .last()
            .is_some_and(|level| level.prefix + 1 == above)
        {
            self.know_of(leaf.to_vec());
        }
    }

    fn enter(&mut self, record: &Record<'_>, folder: OwnedFd) {
        let prefix = prefix_len(record.kind, record.path);
        let parent = self.levels.last().map_or(0, |level| level.prefix);
        self.path.truncate(parent);
        self.path.extend_from_slice(&record.path[parent..prefix]);
        self.levels.push(Level {
            prefix,
            state: record.state,
            told: HashSet::new(),
        });
        self.here = Some(folder);
    }

    /// Leaves one folder after the other, up to the first that is to be stayed in.
    fn leave_until(&mut self, deleter: &mut Deleter, stay: impl Fn(&Level) -> bool) {
        while self.levels.last().is_some_and(|level| !stay(level)) {
            if let Err(reason) = self.leave(deleter) {
                // Everything else of this argument stays too.
                self.stays.add(reason, &self.path, None);
                self.skipped = self.levels.first().map(|base| base.prefix);
                self.levels.clear();
                self.here = None;
            }
        }
    }

    /// Goes back up from the folder at hand and deletes it if nothing is left in it. An error if
    /// there is no way back.
    fn leave(&mut self, deleter: &mut Deleter) -> Result<(), Reason> {
        let (Some(level), Some(here)) = (self.levels.last(), &self.here) else {
            return Ok(());
        };
        let Some(above) = self.levels.len().checked_sub(2) else {
            self.levels.clear();
            self.here = None;
            return Ok(());
        };
        let parent = &self.levels[above];
        let up = openat(here, "..", O_PLACE, Mode::empty()).map_err(Reason::of)?;
        let found = State::from(fstat(&up).map_err(Reason::of)?);
        if !found.is_same_file(&parent.state) {
            return Err(Reason::Gone);
        }
        let (state, prefix) = (level.state, parent.prefix);
        let leaf = self.path[prefix + 1..].to_vec();
        let left = self.look_for_what_is_left();
        self.levels.pop();
        let path = std::mem::take(&mut self.path);
        let deleted = match left {
            Ok(true) => {
                self.know_of(leaf.clone());
                Ok(())
            }
            Ok(false) => deleter.delete_folder(up.as_fd(), &leaf, &state),
            Err(errno) => Err(Kept::refused(errno)),
        };
        if let Err(kept) = deleted {
            self.keep(kept, leaf, &path);
        }
        self.path = path;
        self.path.truncate(prefix);
        self.here = Some(up);
        Ok(())
    }

    /// Tells what is in the folder at hand and was not told yet; true if there is anything.
    fn look_for_what_is_left(&mut self) -> Result<bool, Errno> {
        let (Some(level), Some(here)) = (self.levels.last(), &self.here) else {
            return Ok(false);
        };
        let mut left = false;
        let readable = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        for entry in Dir::new(openat(here, ".", readable, Mode::empty())?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            left = true;
            if !level.told.contains(name) {
                let path = [&self.path, b"/".as_slice(), name].concat();
                let landed = self.landed.as_ref();
                let reason = match landed.is_some_and(|landed| landed.contains(&path)) {
                    true => Reason::Unconfirmed,
                    false => {
                        let base = self.levels.first().map_or(0, |base| base.prefix + 1);
                        let in_stream = path.get(base..).unwrap_or(name);
                        self.reason_for(here.as_fd(), name, in_stream, entry.file_type())
                    }
                };
                self.stays.add(reason, &path, None);
            }
        }
        Ok(left)
    }

    /// Why something that is not in the manifest stays; `in_stream` is the name that it would have had
    /// in the stream.
    fn reason_for(
        &self,
        folder: BorrowedFd<'_>,
        name: &[u8],
        in_stream: &[u8],
        kind: FileType,
    ) -> Reason {
        let kind = match kind {
            FileType::Unknown => statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |stat| {
                    FileType::from_raw_mode(stat.st_mode)
                }),
            known => known,
        };
        let exclude = self.exclude.as_ref();
        if exclude.is_some_and(|out| out.matches(in_stream, kind == FileType::Directory)) {
            return Reason::Excluded;
        }
        match (kind, self.links) {
            (FileType::Symlink, Links::Ignore) => Reason::IgnoredLink,
            (FileType::Symlink, Links::Follow) => Reason::FollowedLink,
            (FileType::RegularFile | FileType::Directory | FileType::Symlink, _) => Reason::NotSent,
            _ => Reason::Special,
        }
    }

    fn keep(&mut self, kept: Kept, leaf: Vec<u8>, path: &[u8]) {
        self.stays.add(kept.reason, path, kept.note.as_ref());
        self.know_of(leaf);
        if let Some(Note::NowCalled(name)) = kept.note {
            self.know_of(name);
        }
    }

    fn know_of(&mut self, name: Vec<u8>) {
        if let Some(level) = self.levels.last_mut() {
            level.told.insert(name);
        }
    }
}

/// Why something stays that was not sent as it should be; `None` for what was.
fn reason_of(kind: Kind) -> Option<Reason> {
    match kind {
        Kind::Base | Kind::Entry => None,
        Kind::Changed => Some(Reason::Torn),
        Kind::Special => Some(Reason::Special),
        Kind::Vanished => Some(Reason::Vanished),
        Kind::Refused => Some(Reason::SkippedRefused),
        Kind::Older => Some(Reason::Changed),
    }
}

/// Opens the folder `leaf`, if it is the one that was confirmed.
fn enter_folder(here: BorrowedFd<'_>, leaf: &[u8], confirmed: &State) -> Result<OwnedFd, Reason> {
    let folder = openat(here, leaf, O_PLACE, Mode::empty()).map_err(|errno| match errno {
        Errno::NOTDIR | Errno::LOOP => Reason::Replaced,
        other => Reason::of(other),
    })?;
    let found = State::from(fstat(&folder).map_err(Reason::of)?);
    match found.is_same_file(confirmed) {
        true => Ok(folder),
        false => Err(Reason::Replaced),
    }
}
