//! `--manifest N`: what was sent and confirmed, for `qvm-move` to delete.
//!
//! The records wait in a file without a name until the receiver has confirmed the copy; only then
//! does a byte of them reach descriptor N. What was found through a followed link is not among
//! them: it does not stand where it was found.

use std::env;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStringExt as _;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use qfile_walk::{Found, Stat, Time};
use qvm_common::inherited;
use qvm_common::manifest::{self, Kind, State, Writer, waiting_file};
use rustix::fs::fstat;

use crate::report::Failure;

/// After this time a file that is written to gets another time than before: a tick of the slowest
/// clock that Linux stamps files with takes 10 ms.
const TICK: Duration = Duration::from_millis(20);

/// How many ticks to wait for a file that is written to all the time.
const MAX_TICKS: usize = 5;

/// A manifest that waits for the receiver's confirmation.
#[derive(Debug)]
pub(crate) struct Manifest {
    destination: File,
    waiting: Writer<BufWriter<File>>,
    /// Where relative paths begin, with a `/` at its end; looked up when first needed.
    start: Option<Vec<u8>>,
}

impl Manifest {
    /// A manifest for the inherited descriptor `number`.
    pub(crate) fn new(number: RawFd) -> Result<Self, Failure> {
        let begun = || {
            let destination = File::from(inherited::take(number)?);
            let waiting = Writer::new(BufWriter::new(waiting_file()?))?;
            io::Result::Ok((destination, waiting))
        };
        let (destination, waiting) = begun().map_err(Failure::Manifest)?;
        Ok(Self {
            destination,
            waiting,
            start: None,
        })
    }

    /// Notes that `found`, in the state `stat`, was sent.
    pub(crate) fn note(&mut self, found: &Found<'_>, stat: &Stat) -> Result<(), Failure> {
        if found.through_link {
            return Ok(());
        }
        self.record(found, stat).map_err(Failure::Manifest)
    }

    fn record(&mut self, found: &Found<'_>, stat: &Stat) -> io::Result<()> {
        let path = self.absolute(found.path)?;
        if !found.name.contains(&b'/') {
            let base = &path[..path.len() - found.name.len()];
            let state = State::from(fstat(found.base)?);
            self.waiting.record(Kind::Base, base, &state)?;
        }
        self.waiting.record(Kind::Entry, &path, &state(stat))
    }

    fn absolute(&mut self, path: &[u8]) -> io::Result<Vec<u8>> {
        if path.first() == Some(&b'/') {
            return Ok(path.to_vec());
        }
        let start = match self.start.take() {
            Some(start) => start,
            None => working_directory()?,
        };
        let absolute = [&start, path].concat();
        self.start = Some(start);
        Ok(absolute)
    }

    /// The receiver has confirmed everything: hands the manifest over.
    pub(crate) fn deliver(mut self) -> Result<(), Failure> {
        let deliver = || {
            let mut records = self.waiting.finish()?.into_inner()?;
            records.seek(SeekFrom::Start(0))?;
            io::copy(&mut records, &mut self.destination).map(drop)
        };
        deliver().map_err(Failure::Undelivered)
    }
}

/// The state of `file`, which was in the state `stat`, once a change to it would show: a file that
/// is written to twice within a tick of the clock has the same times after both.
pub(crate) fn settled(file: &File, mut stat: Stat) -> io::Result<Stat> {
    for _ in 0..MAX_TICKS {
        let changed =
            i128::from(stat.ctime.seconds) * 1_000_000_000 + i128::from(stat.ctime.nanoseconds);
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let age = i128::try_from(now.as_nanos()).unwrap_or(i128::MAX) - changed;
        if age.unsigned_abs() > TICK.as_nanos() {
            break;
        }
        sleep(TICK);
        stat = Stat::from(fstat(file)?);
    }
    Ok(stat)
}

fn working_directory() -> io::Result<Vec<u8>> {
    let mut path = env::current_dir()?.into_os_string().into_vec();
    // The system's word for one that no path leads to.
    if path.first() != Some(&b'/') {
        return Err(io::ErrorKind::NotFound.into());
    }
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    Ok(path)
}

fn state(stat: &Stat) -> State {
    let time = |time: Time| manifest::Time {
        seconds: time.seconds,
        nanoseconds: u32::try_from(time.nanoseconds).unwrap_or(0),
    };
    State {
        device: stat.device,
        inode: stat.inode,
        mode: stat.mode,
        size: stat.size,
        mtime: time(stat.mtime),
        ctime: time(stat.ctime),
    }
}
