//! A new file: nobody sees it before it is complete, and nothing of it stays if it never is.
//!
//! It is created without a name (`O_TMPFILE`) and linked in at the end, by its descriptor: that takes
//! no `/proc`, a descriptor of which would be a way out of the jail. Whoever has opened the file may
//! do that since Linux 6.10. On older kernels, and on file systems without nameless files, the file
//! is there under its name from the start, closed to readers, locked and marked (see `leftover`), and
//! removed again if the transfer of it fails.

use std::os::fd::{AsFd, OwnedFd};

use qfile_proto::{Entry, Refusal};
use rustix::fs::{
    fchmod, flock, fstat, futimens, linkat, openat, statat, unlinkat, AtFlags, FlockOperation,
    Mode, OFlags,
};
use rustix::io::Errno;

use super::holes::Writer;
use super::{leftover, refusal, times, Spot};

/// A file that is being received.
#[derive(Debug)]
pub struct NewFile<'a> {
    spot: Spot<'a>,
    file: OwnedFd,
    writer: Writer,
    mode: Mode,
    /// It is there under its name, and not complete.
    is_exposed: bool,
}

impl<'a> NewFile<'a> {
    /// Creates it, empty.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`], if that shows already now; else those of the calls it takes.
    pub fn create(spot: Spot<'a>, permissions: u32, leaves_holes: bool) -> Result<Self, Refusal> {
        let mode = Mode::from_bits_truncate(permissions);
        let is_exposed = !spot.root.has_nameless_files;
        let file = if is_exposed {
            create_exposed(&spot).map_err(refusal)?
        } else {
            // Landlock lets a file be linked only into the folder that it was created in.
            let folder = match spot.path().iter().rposition(|byte| *byte == b'/') {
                Some(slash) => &spot.path()[..slash],
                None => b".",
            };
            let flags = OFlags::WRONLY | OFlags::TMPFILE;
            spot.root
                .open(spot.dir(), folder, flags, mode)
                .map_err(refusal)?
        };
        Ok(Self {
            spot,
            file,
            writer: Writer::new(leaves_holes),
            mode,
            is_exposed,
        })
    }

    /// Writes the next piece of content.
    ///
    /// # Errors
    /// Those of writing: `ENOSPC`, `EFBIG`, `EDQUOT`, …
    pub fn write(&mut self, content: &[u8]) -> Result<(), Refusal> {
        self.writer.write(&self.file, content).map_err(refusal)
    }

    /// Gives the complete file its times and its name, or with `may_rename` the next name that is
    /// free.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`]; else those of the calls it takes.
    pub fn finish(&mut self, entry: &Entry, may_rename: bool) -> Result<(), Refusal> {
        self.writer.finish(&self.file).map_err(refusal)?;
        if self.is_exposed {
            self.show(entry).map_err(refusal)?;
            self.is_exposed = false;
            return Ok(());
        }
        futimens(&self.file, &times(entry)).map_err(refusal)?;
        loop {
            let (dir, path) = (self.spot.dir(), self.spot.path());
            match linkat(&self.file, "", dir, path, AtFlags::EMPTY_PATH) {
                Err(Errno::EXIST) if may_rename => self.spot.next_name(false)?,
                result => return result.map_err(refusal),
            }
        }
    }

    /// Where it lands.
    #[must_use]
    pub fn spot(&self) -> &Spot<'a> {
        &self.spot
    }

    fn show(&self, entry: &Entry) -> Result<(), Errno> {
        match fchmod(&self.file, self.mode) {
            // vfat has no modes to change.
            Ok(()) | Err(Errno::PERM) => {}
            Err(errno) => return Err(errno),
        }
        futimens(&self.file, &times(entry))?;
        // Whoever removed it meanwhile has not got it; the sender must not delete the original.
        match fstat(&self.file)?.st_nlink {
            0 => Err(Errno::NOENT),
            _ => Ok(()),
        }
    }

    fn has_its_name(&self) -> Result<bool, Errno> {
        let ours = fstat(&self.file)?;
        let there = statat(self.spot.dir(), self.spot.path(), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino))
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        // What the user has put in its place meanwhile stays.
        if self.is_exposed && self.has_its_name().unwrap_or(false) {
            let _ = unlinkat(self.spot.dir(), self.spot.path(), AtFlags::empty());
        }
    }
}

fn create_exposed(spot: &Spot<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let (dir, path) = (spot.dir(), spot.path());
    let file = spot.root.open(dir, path, flags, leftover::INCOMPLETE)?;
    // Not marked before it is locked: another transfer would take it for a leftover.
    let _unmarked_stays =
        flock(&file, FlockOperation::NonBlockingLockExclusive).and_then(|()| leftover::mark(&file));
    Ok(file)
}

/// Tries whether a nameless file can be created in `dir`, and linked. The name to link it to is `.`,
/// which is there always: that is the answer where linking is possible, and `ENOENT` where not.
pub(super) fn nameless_files_work(dir: impl AsFd) -> bool {
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(&dir, ".", flags, Mode::empty()) {
        Ok(file) => linkat(&file, "", &dir, ".", AtFlags::EMPTY_PATH) == Err(Errno::EXIST),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => false,
        // A full disk, say: the first file will report it.
        Err(_) => true,
    }
}
