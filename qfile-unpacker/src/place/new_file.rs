//! A new file: nobody sees it before it is complete, and nothing of it is left if it never is.
//!
//! It is created without a name (`O_TMPFILE`) and linked in at the end, by its descriptor: that takes
//! no `/proc`, a descriptor of which would be a way out of the jail. Since Linux 6.10 the process that
//! opened the file may do that. On older kernels, and on file systems without nameless files, the file
//! is there under its name from the start, closed to readers, locked and marked (see `leftover`), and
//! removed again if the transfer of it fails.

use std::os::fd::OwnedFd;

use files::FileId;
use qfile_proto::{Entry, Refusal};
use rustix::fs::{flock, fstat, linkat, statat, unlinkat, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::destination::Destination;
use super::errno::refusal;
use super::holes::Writer;
use super::leftover;
use super::metadata::{self, NotSet};

/// A file that is being received.
#[derive(Debug)]
pub(crate) struct NewFile<'d, 'r> {
    name: Name<'d, 'r>,
    file: OwnedFd,
    writer: Writer,
    mode: Mode,
}

/// Where the file lands, or stands already.
#[derive(Debug)]
struct Name<'d, 'r> {
    destination: &'d mut Destination<'r>,
    /// The file that is there under its name and not complete.
    incomplete: Option<FileId>,
}

impl<'d, 'r> NewFile<'d, 'r> {
    /// Creates it, empty.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`], if that shows already now; else those of the calls it takes.
    pub(crate) fn create(
        destination: &'d mut Destination<'r>,
        permissions: u32,
        leaves_holes: bool,
    ) -> Result<Self, Refusal> {
        let mode = Mode::from_bits_truncate(permissions);
        let (file, incomplete) = if destination.root().has_nameless_files() {
            (create_nameless(destination, mode).map_err(refusal)?, None)
        } else {
            let (file, id) = create_exposed(destination).map_err(refusal)?;
            (file, Some(id))
        };
        Ok(Self {
            name: Name {
                destination,
                incomplete,
            },
            file,
            writer: Writer::new(leaves_holes),
            mode,
        })
    }

    /// Writes the next piece of content.
    ///
    /// # Errors
    /// Those of writing: `ENOSPC`, `EFBIG`, `EDQUOT`, …
    pub(crate) fn write(&mut self, content: &[u8]) -> Result<(), Refusal> {
        self.writer.write(&self.file, content).map_err(refusal)
    }

    /// Gives the complete file its times and its name, or with `may_rename` the next name that is
    /// free.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`]; [`Refusal::Unusable`] if its owner could not read it; else those
    /// of the calls it takes.
    pub(crate) fn finish(self, entry: &Entry, may_rename: bool) -> Result<NotSet, Refusal> {
        let Self {
            mut name,
            file,
            writer,
            mode,
        } = self;
        writer.finish(&file).map_err(refusal)?;
        let not_set = match name.incomplete {
            Some(_) => name.show(&file, mode, entry)?,
            None => link(name.destination, &file, mode, entry, may_rename)?,
        };
        // FUSE and NFS report here that writing has failed.
        nix::unistd::close(file).map_err(|errno| Refusal::System(errno as i32))?;
        name.incomplete = None;
        Ok(not_set)
    }
}

impl Name<'_, '_> {
    /// Opens the complete file to readers, and unmarks it.
    fn show(&self, file: &OwnedFd, mode: Mode, entry: &Entry) -> Result<NotSet, Refusal> {
        let not_set = NotSet {
            mode: metadata::set_mode(file, mode)?,
            times: metadata::set_times(file, entry)?,
        };
        let stat = fstat(file).map_err(refusal)?;
        // A file that was removed meanwhile has not arrived, and the sender must not delete the
        // original. Some file systems count no links at all.
        if stat.st_nlink == 0 && !self.is_ours_still().map_err(refusal)? {
            return Err(refusal(Errno::NOENT));
        }
        // Confirmed and marked, it would be removed by the next transfer of that name.
        if leftover::is_marked(&stat) {
            return Err(refusal(not_set.times.unwrap_or(Errno::PERM)));
        }
        let is = Mode::from_raw_mode(stat.st_mode);
        metadata::check_mode(is, mode, metadata::READ, not_set.mode)?;
        metadata::check_access(file, mode, metadata::READ)?;
        Ok(not_set)
    }

    /// True if what has the name is the incomplete file.
    fn is_ours_still(&self) -> Result<bool, Errno> {
        let there = statat(
            self.destination.dir(),
            self.destination.path(),
            AtFlags::SYMLINK_NOFOLLOW,
        )?;
        Ok(self.incomplete == Some(FileId::from(&there)))
    }
}

impl Drop for Name<'_, '_> {
    fn drop(&mut self) {
        // The user may have put another file in its place meanwhile.
        if self.incomplete.is_some() && self.is_ours_still().unwrap_or(false) {
            let _ = unlinkat(
                self.destination.dir(),
                self.destination.path(),
                AtFlags::empty(),
            );
        }
    }
}

fn create_nameless(destination: &Destination<'_>, mode: Mode) -> Result<OwnedFd, Errno> {
    // Landlock lets a file be linked only into the folder that it was created in.
    let folder = match destination.path().iter().rposition(|byte| *byte == b'/') {
        Some(slash) => &destination.path()[..slash],
        None => b".",
    };
    let flags = OFlags::WRONLY | OFlags::TMPFILE;
    destination
        .root()
        .open(destination.dir(), folder, flags, mode)
}

/// Gives the complete file its times and links it in; the mode it has had from the beginning.
fn link(
    destination: &mut Destination<'_>,
    file: &OwnedFd,
    mode: Mode,
    entry: &Entry,
    may_rename: bool,
) -> Result<NotSet, Refusal> {
    let times = metadata::set_times(file, entry)?;
    metadata::check_access(file, mode, metadata::READ)?;
    loop {
        match linkat(
            file,
            "",
            destination.dir(),
            destination.path(),
            AtFlags::EMPTY_PATH,
        ) {
            Err(Errno::EXIST) if may_rename => destination.take_next_name(false)?,
            result => {
                result.map_err(refusal)?;
                return Ok(NotSet { mode: None, times });
            }
        }
    }
}

fn create_exposed(destination: &Destination<'_>) -> Result<(OwnedFd, FileId), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let (dir, path) = (destination.dir(), destination.path());
    let file = destination
        .root()
        .open(dir, path, flags, leftover::INCOMPLETE)?;
    let id = FileId::from(&fstat(&file)?);
    // Not marked before it is locked: another transfer would take it for a leftover.
    let _unmarked_stays =
        flock(&file, FlockOperation::NonBlockingLockExclusive).and_then(|()| leftover::mark(&file));
    Ok((file, id))
}
