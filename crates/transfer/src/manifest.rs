//! The manifest: what `qfile-agent` has sent and the receiver has confirmed, for `qvm-move` to
//! delete.
//!
//! ```text
//! manifest = "qfile-manifest 1\n"  record*  trailer
//! record   = kind u8  shared u32  rest_len u32
//!            device u64  inode u64  mode u32  size u64
//!            mtime i64  mtime_nsec u32  ctime i64  ctime_nsec u32
//!            rest: rest_len bytes
//! trailer  = '.' u8  number of records u64
//! ```
//!
//! Integers are little-endian. A record's path is absolute: the first `shared` bytes of the path of
//! the record before it, then `rest`. So any byte may be in a path, and a tree of 8,000 levels takes
//! no more room than a flat one. Without its trailer a manifest has been cut, and counts as none.
//!
//! Kind `b` is the folder that an argument stands in; its path ends in `/`. It was not sent itself,
//! and all that follows stands in it, up to the next such record. Kind `e` is an entry that was
//! sent, once for each: a folder comes before what is in it. The other kinds are what was not sent
//! as it should be, and is not to be deleted: `c` a file that changed while it was sent, `s` what
//! no stream carries, `v` what was gone before it could be sent, `r` what the receiver would refuse,
//! the last three with nothing but zeros for their state; `o` a file that arrived in an earlier call
//! and has changed since.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use files::{FileId, State, Time};

/// The first bytes of a manifest.
const MAGIC: &[u8; 17] = b"qfile-manifest 1\n";

/// The one byte that begins the trailer.
const TRAILER: u8 = b'.';

/// Bytes between a record's kind and the rest of its path.
const FIXED_LEN: usize = 60;

/// Longest path in bytes. The stream bounds names at 16 KiB, and nothing bounds the path of the
/// folder that an argument stands in; a longer one is nobody's.
const MAX_PATH_LEN: usize = 1 << 20;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The folder that an argument stands in, which was not sent.
    Base,
    /// A file, folder or link that was sent.
    Entry,
    /// A file that changed while it was sent: what arrived may be torn.
    Changed,
    /// Something that no stream carries, and was left out.
    Special,
    /// Something that was gone before it could be sent.
    Vanished,
    /// Something that was left out, because the receiver would refuse it.
    Refused,
    /// A file that arrived in an earlier call, and has changed since: the copy there is older.
    Older,
}

/// One record.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'r> {
    /// What it is about.
    pub kind: Kind,
    /// Its absolute path.
    pub path: &'r [u8],
    /// How many bytes at its beginning are those of the path before it.
    pub shared: usize,
    /// What was there when it was sent.
    pub state: State,
}

impl Record<'_> {
    /// True when it is about something below the folder whose path is the first `len` bytes of the
    /// path of the record before it.
    #[must_use]
    pub fn is_below(&self, len: usize) -> bool {
        self.shared >= len && self.path.get(len) == Some(&b'/')
    }
}

/// A file without a name for records to wait in: on disk, because `/tmp` often is memory; where
/// `TMPDIR` says if it is set.
///
/// # Errors
/// No such file can be made, there or in the system's folder for temporary files.
pub fn waiting_file() -> io::Result<File> {
    let named = env::var_os("TMPDIR").map(PathBuf::from);
    let folder = named.as_deref().unwrap_or(Path::new("/var/tmp"));
    tempfile::tempfile_in(folder).or_else(|_| tempfile::tempfile())
}

/// Makes paths absolute, as a manifest has them.
#[derive(Debug, Default)]
pub struct AbsolutePaths {
    /// Where relative paths begin, with a `/` at its end; looked up when first needed.
    start: Option<Vec<u8>>,
}

impl AbsolutePaths {
    /// `path`, made absolute.
    ///
    /// # Errors
    /// No path leads to the working folder.
    pub fn absolute(&mut self, path: &[u8]) -> io::Result<Vec<u8>> {
        if path.first() == Some(&b'/') {
            return Ok(path.to_vec());
        }
        let start = match self.start.take() {
            Some(start) => start,
            None => working_folder()?,
        };
        let absolute = [&start, path].concat();
        self.start = Some(start);
        Ok(absolute)
    }
}

fn working_folder() -> io::Result<Vec<u8>> {
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

/// Writes a manifest.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    path: Vec<u8>,
    count: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a manifest.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn new(mut output: W) -> io::Result<Self> {
        output.write_all(MAGIC)?;
        Ok(Self {
            output,
            path: Vec::new(),
            count: 0,
        })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// Those of `output`; `InvalidInput` for a path of more than 1 MiB.
    pub fn record(&mut self, kind: Kind, path: &[u8], state: &State) -> io::Result<()> {
        let pairs = self.path.iter().zip(path);
        let shared = pairs.take_while(|(before, now)| before == now).count();
        let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
        if path.len() > MAX_PATH_LEN {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut fixed = Vec::with_capacity(1 + FIXED_LEN);
        fixed.push(kind.tag());
        for length in [shared, path.len() - shared] {
            fixed.extend(u32::try_from(length).map_err(too_long)?.to_le_bytes());
        }
        fixed.extend(state.id.device.to_le_bytes());
        fixed.extend(state.id.inode.to_le_bytes());
        fixed.extend(state.mode.to_le_bytes());
        fixed.extend(state.size.to_le_bytes());
        for time in [state.mtime, state.ctime] {
            fixed.extend(time.seconds.to_le_bytes());
            fixed.extend(time.nanoseconds.to_le_bytes());
        }
        self.output.write_all(&fixed)?;
        self.output.write_all(&path[shared..])?;
        self.path.truncate(shared);
        self.path.extend_from_slice(&path[shared..]);
        self.count += 1;
        Ok(())
    }

    /// Ends the manifest and gives back what it was written to.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.write_all(&[TRAILER])?;
        self.output.write_all(&self.count.to_le_bytes())?;
        self.output.flush()?;
        Ok(self.output)
    }
}

/// Reads a manifest.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    path: Vec<u8>,
    count: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// Those of `input`; `UnexpectedEof` and `InvalidData` for what is no manifest.
    pub fn new(mut input: R) -> io::Result<Self> {
        if take(&mut input)? != *MAGIC {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self {
            input,
            path: Vec::new(),
            count: 0,
            ended: false,
        })
    }

    /// The next record; `None` after the trailer. A lending iterator.
    ///
    /// # Errors
    /// Those of the input; `UnexpectedEof` for a manifest that was cut, `InvalidData` for what no
    /// [`Writer`] writes.
    #[expect(clippy::should_implement_trait, reason = "an Iterator cannot lend")]
    pub fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        if self.ended {
            return Ok(None);
        }
        let [tag] = take(&mut self.input)?;
        if tag == TRAILER {
            let complete = u64::from_le_bytes(take(&mut self.input)?) == self.count;
            let more = self.input.read(&mut [0])?;
            self.ended = complete && more == 0;
            return if self.ended { Ok(None) } else { Err(invalid()) };
        }
        let kind = Kind::from_tag(tag).ok_or_else(invalid)?;
        let fixed: [u8; FIXED_LEN] = take(&mut self.input)?;
        let mut fixed = &fixed[..];
        let shared = length(take(&mut fixed)?)?;
        let rest = length(take(&mut fixed)?)?;
        let state = State {
            id: FileId {
                device: u64::from_le_bytes(take(&mut fixed)?),
                inode: u64::from_le_bytes(take(&mut fixed)?),
            },
            mode: u32::from_le_bytes(take(&mut fixed)?),
            size: u64::from_le_bytes(take(&mut fixed)?),
            mtime: take_time(&mut fixed)?,
            ctime: take_time(&mut fixed)?,
        };
        if shared > self.path.len() || shared + rest > MAX_PATH_LEN {
            return Err(invalid());
        }
        self.path.resize(shared + rest, 0);
        self.input.read_exact(&mut self.path[shared..])?;
        self.count += 1;
        if self.path.first() != Some(&b'/') {
            return Err(invalid());
        }
        Ok(Some(Record {
            kind,
            path: &self.path,
            shared,
            state,
        }))
    }
}

impl Kind {
    const fn tag(self) -> u8 {
        match self {
            Self::Base => b'b',
            Self::Entry => b'e',
            Self::Changed => b'c',
            Self::Special => b's',
            Self::Vanished => b'v',
            Self::Refused => b'r',
            Self::Older => b'o',
        }
    }

    fn from_tag(tag: u8) -> Option<Self> {
        let all = [
            Self::Base,
            Self::Entry,
            Self::Changed,
            Self::Special,
            Self::Vanished,
            Self::Refused,
            Self::Older,
        ];
        all.into_iter().find(|kind| kind.tag() == tag)
    }
}

fn take_time(input: &mut &[u8]) -> io::Result<Time> {
    Ok(Time {
        seconds: i64::from_le_bytes(take(input)?),
        nanoseconds: u32::from_le_bytes(take(input)?),
    })
}

fn take<const LEN: usize>(input: &mut impl Read) -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn length(bytes: [u8; 4]) -> io::Result<usize> {
    usize::try_from(u32::from_le_bytes(bytes)).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: State = State {
        id: FileId {
            device: 1,
            inode: 2,
        },
        mode: 0o100_644,
        size: 3,
        mtime: Time {
            seconds: -4,
            nanoseconds: 5,
        },
        ctime: Time {
            seconds: 6,
            nanoseconds: 999_999_999,
        },
    };

    fn written(records: &[(Kind, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new()).unwrap();
        for (kind, path) in records {
            writer.record(*kind, path, &STATE).unwrap();
        }
        writer.finish().unwrap()
    }

    /// What a manifest says, or that it is none.
    fn read(bytes: &[u8]) -> io::Result<Vec<(Kind, Vec<u8>, usize)>> {
        let mut reader = Reader::new(bytes)?;
        let mut records = Vec::new();
        while let Some(record) = reader.next()? {
            assert_eq!(record.state, STATE);
            records.push((record.kind, record.path.to_vec(), record.shared));
        }
        Ok(records)
    }

    #[test]
    fn the_bytes_are_those_of_the_format() {
        let mut expected = b"qfile-manifest 1\n".to_vec();
        let mut record = |kind: &[u8], shared: u8, rest: &[u8]| {
            expected.extend_from_slice(kind);
            expected.extend([shared, 0, 0, 0, u8::try_from(rest.len()).unwrap(), 0, 0, 0]);
            expected.extend([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
            expected.extend([0xA4, 0x81, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
            expected.extend([0xFC, 255, 255, 255, 255, 255, 255, 255, 5, 0, 0, 0]);
            expected.extend([6, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xC9, 0x9A, 0x3B]);
            expected.extend_from_slice(rest);
        };
        record(b"b", 0, b"/h/");
        record(b"e", 3, b"a");
        expected.extend(b".\x02\0\0\0\0\0\0\0");
        let records: [(Kind, &[u8]); 2] = [(Kind::Base, b"/h/"), (Kind::Entry, b"/h/a")];
        assert_eq!(written(&records), expected);
    }

    #[test]
    fn any_path_comes_back() {
        let long = [b"/".as_slice(), &[b'x'; 20_000]].concat();
        let paths: [&[u8]; 7] = [b"/", b"/a\nb\0.", b"/a", b"/a/\xFF.e", b"/", &long, b"/ab"];
        let records: Vec<(Kind, &[u8])> = paths.iter().map(|path| (Kind::Entry, *path)).collect();
        let shared = [0, 1, 2, 2, 1, 1, 1];
        let expected: Vec<_> = paths
            .iter()
            .zip(shared)
            .map(|(path, shared)| (Kind::Entry, path.to_vec(), shared))
            .collect();
        assert_eq!(read(&written(&records)).unwrap(), expected);
        assert_eq!(read(&written(&[])).unwrap(), []);
    }

    #[test]
    fn every_kind_comes_back() {
        use Kind::{Base, Changed, Entry, Older, Refused, Special, Vanished};
        let kinds = [Base, Entry, Changed, Special, Vanished, Refused, Older];
        let bytes = written(&kinds.map(|kind| (kind, b"/a".as_slice())));
        let read = read(&bytes).unwrap().into_iter().map(|(kind, ..)| kind);
        assert_eq!(read.collect::<Vec<_>>(), kinds);
    }

    #[test]
    fn a_manifest_that_was_cut_or_goes_on_is_none() {
        let whole = written(&[
            (Kind::Base, b"/"),
            (Kind::Entry, b"/a"),
            (Kind::Entry, b"/b"),
        ]);
        assert_eq!(read(&whole).unwrap().len(), 3);
        for len in 0..whole.len() {
            assert!(read(&whole[..len]).is_err(), "{len}");
        }
        assert!(read(&[&whole[..], b"."].concat()).is_err());
    }

    #[test]
    fn what_no_writer_writes_is_none() {
        let whole = written(&[(Kind::Entry, b"/a")]);
        // Magic, kind, bytes shared with nothing, length of the rest, path, count.
        for (at, byte) in [(0, b'Q'), (17, b'x'), (18, 1), (25, 1), (78, b'a'), (81, 2)] {
            let mut changed = whole.clone();
            assert_ne!(changed[at], byte);
            changed[at] = byte;
            assert!(read(&changed).is_err(), "{at}");
        }
    }
}
