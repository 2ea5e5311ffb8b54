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
}

/// How far a stream came that has stopped.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    /// The checksum of all that was given to the receiver.
    pub(crate) checksum: u32,
    /// The end header is among it.
    pub(crate) is_whole: bool,
    /// The entry that came first in it.
    pub(crate) first: Option<First>,
}

/// The entry that came first in a stream.
#[derive(Clone, Debug)]
pub(crate) struct First {
    pub(crate) name: Vec<u8>,
    pub(crate) is_folder: bool,
}

impl Stopped {
    /// True if the receiver stopped at the entry that came first, so that nothing has arrived. Without a
    /// journal this is all that can be known.
    pub(crate) fn is_at_the_first_entry(&self, verdict: &Verdict) -> bool {
        let Some((first, name)) = self
            .first
            .as_ref()
            .zip(verdict.untrusted_last_name.as_ref())
        else {
            return false;
        };
        let is_at_it = match verdict.errno().map(Errno::from_raw_os_error) {
            Some(Errno::EXIST) => true,
            Some(errno) if names_an_entry(errno, name) => {
                // A folder comes a second time, behind all that is in it.
                !first.is_folder && errno != Errno::REMOTEIO
            }
            _ => false,
        };
        is_at_it && first.name == *name && !self.is_all_read(verdict)
    }

    /// True if the receiver has read the stream to its end: the verdict has the checksum of all that it
    /// has read.
    fn is_all_read(&self, verdict: &Verdict) -> bool {
        self.is_whole && verdict.crc32 == u64::from(self.checksum)
    }
}

/// Where in the stream the receiver stopped.
#[derive(Debug)]
enum Cut {
    /// After all that was sent.
    AtTheEnd,
    /// Before the first entry of this path.
    Before(Vec<u8>),
    /// There too, or, if it is a folder, behind all that is in it.
    Around(Vec<u8>),
    /// After the first entry of this path.
    After(Vec<u8>),
}

/// True if a verdict with this error names the entry at which the receiver stopped.
fn names_an_entry(errno: Errno, name: &[u8]) -> bool {
    match errno {
        // The C receiver names only the component that is missing.
        Errno::NOENT => name.contains(&b'/'),
        // It names the target of a link, or has lost its place.
        Errno::NOLINK | Errno::ILSEQ | Errno::INVAL => false,
        _ => true,
    }
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
        })
    }

    /// The header of `found`, in the state `stat`, is about to be sent.
    pub(crate) fn begin(&mut self, found: &Found<'_>, stat: &Stat) -> Result<(), Error> {
        let path = self.paths.absolute(found.path);
        let path = path.map_err(Error::no_working_folder)?;
        let noted = self.waiting.record(Kind::Entry, &path, &stat.state);
        noted.map_err(Error::Manifest)
    }

    /// The copy has stopped with this `verdict`: hands over what has landed. How many files and links
    /// that are; `None` if it is not known.
    pub(crate) fn deliver(
        mut self,
        verdict: &Verdict,
        arguments: &Arguments,
        stopped: &Stopped,
    ) -> Option<u64> {
        let cut = self.cut(verdict, arguments, stopped)?;
        self.write(&cut).ok()?
    }

    fn cut(&mut self, verdict: &Verdict, arguments: &Arguments, stopped: &Stopped) -> Option<Cut> {
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
            // It has read the end as well: what failed is to have all of it on disk. A receiver that
            // stopped at this entry has read less.
            Some(_) if stopped.is_all_read(verdict) => None,
            Some(Errno::EXIST) => Some(Cut::Before(path)),
            Some(errno) => names_an_entry(errno, name).then_some(Cut::Around(path)),
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
            if matches!(cut, Cut::Before(path) | Cut::Around(path) if path == record.path) {
                is_found = true;
                // If this is the end of the folder, what is in it has arrived.
                let may_be_its_end = matches!(cut, Cut::Around(_)) && record.state.is_folder();
                if may_be_its_end && count == 0 && records.next()?.is_some() {
                    return Ok(None);
                }
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

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use files::{FileId, State, Time};

    use super::*;

    /// The checksum of all that was sent.
    const ALL: u32 = 7;
    /// That of a part of it.
    const LESS: u64 = 5;

    fn state(is_folder: bool) -> State {
        let time = Time {
            seconds: 1,
            nanoseconds: 1,
        };
        State {
            id: FileId {
                device: 1,
                inode: 2,
            },
            mode: if is_folder { 0o040_755 } else { 0o100_644 },
            size: 3,
            mtime: time,
            ctime: time,
        }
    }

    fn verdict(errno: i32, crc32: u64, name: &str) -> Verdict {
        Verdict {
            error_code: errno.unsigned_abs(),
            crc32,
            untrusted_last_name: Some(name.into()),
        }
    }

    fn stopped(first: &str, is_folder: bool) -> Stopped {
        Stopped {
            checksum: ALL,
            is_whole: true,
            first: Some(First {
                name: first.into(),
                is_folder,
            }),
        }
    }

    /// How many files have arrived of `sent`, in which a folder has a slash at its end.
    fn landed(sent: &[&str], verdict: &Verdict) -> Option<u64> {
        let arguments = sent
            .iter()
            .filter(|path| !path.trim_end_matches('/').contains('/'));
        let arguments = Arguments::new(arguments.map(OsString::from)).unwrap();
        let mut journal = Journal {
            destination: waiting_file().unwrap(),
            waiting: Writer::new(BufWriter::new(waiting_file().unwrap())).unwrap(),
            paths: AbsolutePaths::default(),
        };
        for path in sent {
            let name = path.trim_end_matches('/').as_bytes();
            let absolute = journal.paths.absolute(name).unwrap();
            let state = state(path.ends_with('/'));
            journal
                .waiting
                .record(Kind::Entry, &absolute, &state)
                .unwrap();
        }
        journal.deliver(verdict, &arguments, &stopped("x", false))
    }

    #[test]
    fn at_the_last_entry_the_others_have_arrived_unless_the_end_was_read() {
        for errno in [libc::ENOSPC, libc::EDQUOT, libc::EIO, libc::EROFS] {
            assert_eq!(landed(&["a", "b"], &verdict(errno, LESS, "b")), Some(1));
            // It is all of them that may not be on disk.
            assert_eq!(landed(&["a", "b"], &verdict(errno, ALL.into(), "b")), None);
            let folder = ["f/", "f/a", "f/b"];
            assert_eq!(landed(&folder, &verdict(errno, LESS, "f/b")), Some(1));
            assert_eq!(landed(&folder, &verdict(errno, ALL.into(), "f")), None);
        }
    }

    /// The header at the end of a folder has the same name as the one at its beginning.
    #[test]
    fn at_the_end_of_a_folder_something_may_have_arrived() {
        let sent = ["f/", "f/a"];
        assert_eq!(landed(&sent, &verdict(libc::EACCES, LESS, "f")), None);
        assert_eq!(landed(&sent, &verdict(libc::EEXIST, LESS, "f")), Some(0));
        assert_eq!(landed(&["f/"], &verdict(libc::EACCES, LESS, "f")), Some(0));
        let sent = ["a", "f/", "f/a"];
        assert_eq!(landed(&sent, &verdict(libc::EACCES, LESS, "f")), Some(1));
    }

    #[test]
    fn without_a_journal_nothing_has_arrived_if_the_first_entry_is_refused() {
        let is_first = |errno, crc32, name: &str, is_folder| {
            stopped("a", is_folder).is_at_the_first_entry(&verdict(errno, crc32, name))
        };
        for errno in [libc::EEXIST, libc::EROFS, libc::EDQUOT, libc::ENOSPC] {
            assert!(is_first(errno, LESS, "a", false), "{errno}");
            assert!(!is_first(errno, LESS, "b", false), "{errno}");
            assert!(!is_first(errno, ALL.into(), "a", false), "{errno}");
        }
        assert!(is_first(libc::EEXIST, LESS, "a", true));
        for (errno, is_folder) in [
            (libc::EROFS, true),
            (libc::EREMOTEIO, false),
            (libc::EILSEQ, false),
            (libc::EINVAL, false),
        ] {
            assert!(!is_first(errno, LESS, "a", is_folder), "{errno}");
        }
        let cut = Verdict {
            error_code: LEGAL_EOF,
            ..verdict(0, LESS, "a")
        };
        assert!(!stopped("a", false).is_at_the_first_entry(&cut));
    }
}
