//! `--journal N`: what has landed of a copy that stopped, for a second call to leave out.
//!
//! A receiver takes one entry after the other, and its verdict names the one at which it stopped: all
//! that was sent before that has landed. Where the verdict does not tell for certain, nothing is
//! written: what is missing from the list is sent again and refused, and what is in it without reason
//! never arrives.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, SeekFrom};
use std::os::fd::RawFd;

use files::Stat;
use program::inherited;
use qfile_proto::Verdict;
use qfile_proto::verdict::LEGAL_EOF;
use rustix::io::Errno;
use transfer::manifest::{AbsolutePaths, Kind, Reader, Writer, waiting_file};
use walk::{Arguments, Found};

use crate::error::Error;

/// What was begun to be sent, in the order of the stream.
#[derive(Debug)]
pub(crate) struct Journal {
    destination: File,
    waiting: Writer<BufWriter<File>>,
    paths: AbsolutePaths,
    last: Vec<u8>,
}

/// How far a stream came that has stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopped {
    /// The checksum of all that was given to the receiver.
    pub(crate) checksum: u32,
    /// The end header is among it.
    pub(crate) is_whole: bool,
}

/// Where in the stream the receiver stopped.
#[derive(Debug)]
enum Cut {
    /// After all that was sent.
    AtTheEnd,
    /// Before the first entry of this path.
    Before(Vec<u8>),
    /// After the first entry of this path.
    After(Vec<u8>),
}

impl Journal {
    /// A journal for the inherited descriptor `number`.
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
            last: Vec::new(),
        })
    }

    /// The header of `found`, in the state `stat`, is about to be sent.
    pub(crate) fn begin(&mut self, found: &Found<'_>, stat: &Stat) -> Result<(), Error> {
        let noted = self.paths.absolute(found.path).and_then(|path| {
            self.waiting.record(Kind::Entry, &path, &stat.state)?;
            self.last = path;
            Ok(())
        });
        noted.map_err(Error::Manifest)
    }

    /// The copy has stopped with this `verdict`: hands over what has landed. How many files and links
    /// that are; `None` if it is not known.
    pub(crate) fn deliver(
        mut self,
        verdict: &Verdict,
        arguments: &Arguments,
        stopped: Stopped,
    ) -> Option<u64> {
        let cut = self.cut(verdict, arguments, stopped)?;
        self.write(&cut).ok()?
    }

    fn cut(&mut self, verdict: &Verdict, arguments: &Arguments, stopped: Stopped) -> Option<Cut> {
        let errno = verdict.errno().map(Errno::from_raw_os_error);
        let is_at_a_header = errno == Some(Errno::REMOTEIO);
        // It waited for the next header when the stream ended, and all before it was sound.
        if is_at_a_header && verdict.crc32 == u64::from(stopped.checksum) {
            return Some(Cut::AtTheEnd);
        }
        let name = verdict.untrusted_last_name.as_deref()?;
        let path = self.paths.absolute(&arguments.path_of(name)?).ok()?;
        match errno {
            Some(Errno::REMOTEIO) => Some(Cut::After(path)),
            // Where the entry after it is the end, what failed may be to have all of it on disk.
            Some(errno) if errno != Errno::EXIST && stopped.is_whole && path == self.last => None,
            // The C receiver names only the component that is missing.
            Some(Errno::NOENT) if !name.contains(&b'/') => None,
            // It names the target of a link, or has lost its place.
            Some(Errno::NOLINK | Errno::ILSEQ | Errno::INVAL) => None,
            Some(_) => Some(Cut::Before(path)),
            None if verdict.error_code == LEGAL_EOF => Some(Cut::Before(path)),
            None => None,
        }
    }

    fn write(self, cut: &Cut) -> io::Result<Option<u64>> {
        let mut waiting = self.waiting.finish()?.into_inner()?;
        waiting.seek(SeekFrom::Start(0))?;
        let mut records = Reader::new(BufReader::new(waiting))?;
        let mut landed = Writer::new(BufWriter::new(self.destination))?;
        let mut count = 0;
        let mut is_found = matches!(cut, Cut::AtTheEnd);
        while let Some(record) = records.next()? {
            if matches!(cut, Cut::Before(path) if path == record.path) {
                is_found = true;
                break;
            }
            landed.record(record.kind, record.path, &record.state)?;
            count += u64::from(!record.state.is_folder());
            if matches!(cut, Cut::After(path) if path == record.path) {
                is_found = true;
                break;
            }
        }
        // Without its trailer the list is none.
        if is_found {
            landed.finish()?;
        }
        Ok(is_found.then_some(count))
    }
}
