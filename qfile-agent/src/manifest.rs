//! `--manifest N`: what was sent and confirmed, for `qvm-move` to delete.
//!
//! The records wait in a file without a name until the receiver has confirmed the copy; only then
//! does a byte of them reach descriptor N. What was found through a followed link is not among
//! them: it does not stand where it was found.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom};
use std::os::fd::RawFd;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use files::{Stat, State};
use program::inherited;
use rustix::fs::fstat;
use transfer::manifest::{AbsolutePaths, Kind, Writer, waiting_file};
use walk::Found;

use crate::error::Error;

/// A tick of the slowest clock that Linux stamps files with takes 10 ms.
const TICK: Duration = Duration::from_millis(20);

/// A tick of a file system that keeps whole seconds only.
const COARSE_TICK: Duration = Duration::from_millis(2100);

/// How many ticks to wait for a file that is written to all the time.
const MAX_TICKS: usize = 5;

/// A manifest that waits for the receiver's confirmation.
#[derive(Debug)]
pub(crate) struct Manifest {
    destination: File,
    waiting: Writer<BufWriter<File>>,
    paths: AbsolutePaths,
}

impl Manifest {
    /// A manifest for the inherited descriptor `number`.
    pub(crate) fn new(number: RawFd) -> Result<Self, Error> {
        let begun = || {
            let destination = File::from(inherited::take(number)?);
            let waiting = Writer::new(BufWriter::new(waiting_file()?))?;
            io::Result::Ok((destination, waiting))
        };
        let (destination, waiting) = begun().map_err(Error::Manifest)?;
        Ok(Self {
            destination,
            waiting,
            paths: AbsolutePaths::default(),
        })
    }

    /// Notes that `found`, in the state `stat`, was sent.
    pub(crate) fn note(&mut self, found: &Found<'_>, stat: &Stat) -> Result<(), Error> {
        if found.through_link {
            return Ok(());
        }
        self.record(Kind::Entry, found, &stat.state)
    }

    /// Notes that the file `found` changed while it was sent.
    pub(crate) fn note_changed(&mut self, found: &Found<'_>, stat: &Stat) -> Result<(), Error> {
        self.record(Kind::Changed, found, &stat.state)
    }

    /// Notes that the file `found` arrived in an earlier call, and has changed since.
    pub(crate) fn note_older(&mut self, found: &Found<'_>, state: &State) -> Result<(), Error> {
        self.record(Kind::Older, found, state)
    }

    /// Notes that `found` was left out, because it is not a file, folder or link.
    pub(crate) fn note_special(&mut self, found: &Found<'_>) -> Result<(), Error> {
        self.record(Kind::Special, found, &State::NONE)
    }

    /// Notes that `path` was left out, because the receiver would refuse it.
    pub(crate) fn note_refused(&mut self, path: &[u8]) -> Result<(), Error> {
        self.record_path(Kind::Refused, path)
    }

    /// Notes that what stood under `path` was gone before it could be sent.
    pub(crate) fn note_vanished(&mut self, path: &[u8]) -> Result<(), Error> {
        self.record_path(Kind::Vanished, path)
    }

    /// A record of something whose state does not matter.
    fn record_path(&mut self, kind: Kind, path: &[u8]) -> Result<(), Error> {
        let path = self.paths.absolute(path);
        let path = path.map_err(Error::no_working_folder)?;
        let noted = self.waiting.record(kind, &path, &State::NONE);
        noted.map_err(Error::Manifest)
    }

    fn record(&mut self, kind: Kind, found: &Found<'_>, state: &State) -> Result<(), Error> {
        let path = self.paths.absolute(found.path);
        let path = path.map_err(Error::no_working_folder)?;
        let mut noted = || {
            if !found.name.contains(&b'/') {
                let base = &path[..path.len() - (found.path.len() - found.base_len)];
                let state = State::from(fstat(found.base)?);
                self.waiting.record(Kind::Base, base, &state)?;
            }
            self.waiting.record(kind, &path, state)
        };
        noted().map_err(Error::Manifest)
    }

    /// The receiver has confirmed everything: hands the manifest over.
    pub(crate) fn deliver(mut self) -> Result<(), Error> {
        let deliver = || {
            let mut records = self.waiting.finish()?.into_inner()?;
            records.seek(SeekFrom::Start(0))?;
            io::copy(&mut records, &mut self.destination).map(drop)
        };
        deliver().map_err(Error::Undelivered)
    }
}

/// The state of `file`, which was in the state `stat`, once a change to it would show: a file that
/// is written to twice within a tick of the clock has the same times after both. `None` if it is
/// written to all the time.
pub(crate) fn settled(file: &File, mut stat: Stat) -> io::Result<Option<Stat>> {
    for _ in 0..MAX_TICKS {
        let tick = tick_of(&stat.state);
        let ctime = stat.state.ctime;
        let changed = i128::from(ctime.seconds) * 1_000_000_000 + i128::from(ctime.nanoseconds);
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let age = i128::try_from(now.as_nanos()).unwrap_or(i128::MAX) - changed;
        if age.unsigned_abs() > tick.as_nanos() {
            return Ok(Some(stat));
        }
        sleep(tick);
        stat = Stat::fresh(file)?;
    }
    Ok(None)
}

/// A write that happens this long after the previous one changes the modification time. Where no time has a
/// fraction of a second, the file system keeps none: FAT counts in steps of two seconds, SFTP and
/// old ext3 in seconds.
fn tick_of(state: &State) -> Duration {
    match (state.mtime.nanoseconds, state.ctime.nanoseconds) {
        (0, 0) => COARSE_TICK,
        _ => TICK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_fractions_of_a_second_needs_more_time() {
        let file = tempfile::tempfile().unwrap();
        let mut state = State::from(fstat(&file).unwrap());
        state.mtime.nanoseconds = 0;
        state.ctime.nanoseconds = 1;
        assert_eq!(tick_of(&state), TICK);
        state.ctime.nanoseconds = 0;
        assert_eq!(tick_of(&state), COARSE_TICK);
    }
}
