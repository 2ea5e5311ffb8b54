//! The journal of the last call that stopped, for `--continue`: what was to be sent, and what of it
//! has landed.
//!
//! ```text
//! journal = "qfile-journal 2\n"  stage u8  deletes u8  links u8  skip-refused u8
//!           target  working folder  name (empty: its own)  number of paths u32  path*
//!           number of patterns of --exclude u32  pattern*
//!           manifest
//! ```
//!
//! A text is its length, as a u32, and its bytes. The manifest lists what has landed, or, of a move
//! that came to deleting, what was confirmed. It is one file, which the next call that stops replaces.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use files::{FileId, NotOpened, OnLink, open_regular};
use rustix::fs::{CWD, FlockOperation, OFlags, flock, fstat, lstat};
use rustix::io::Errno;
use rustix::process::geteuid;
use transfer::manifest::{Reader, Writer, waiting_file};
use walk::{Exclude, Links};

use crate::args::{Request, parse_target};

const MAGIC: &[u8; 16] = b"qfile-journal 2\n";

/// The longest text in bytes; a longer one is nobody's.
const MAX_TEXT_LEN: usize = 1 << 20;

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It stopped while it was sent.
    Sending,
    /// All of it was confirmed, and not all of it is deleted.
    Deleting,
}

/// What was to be sent, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// It was a move.
    pub(crate) deletes: bool,
    /// What becomes of symbolic links.
    pub(crate) links: Links,
    /// What would be refused is left out.
    pub(crate) skip_refused: bool,
    /// The qube that was named.
    pub(crate) target: OsString,
    /// The working folder, where relative paths begin.
    pub(crate) folder: OsString,
    /// The name under which the only path arrives.
    pub(crate) name: Option<OsString>,
    /// What was named.
    pub(crate) paths: Vec<OsString>,
    /// What was not wanted.
    pub(crate) exclude: Vec<OsString>,
}

/// A journal that was read.
#[derive(Debug)]
pub(crate) struct Journal {
    /// How far the call came.
    pub(crate) stage: Stage,
    /// The call.
    pub(crate) call: Call,
    /// What has landed, or was confirmed: a manifest, at its beginning.
    pub(crate) manifest: File,
}

/// The file that a journal was read from, locked: no other call goes on with it.
#[derive(Debug)]
pub(crate) struct JournalFile(File);

impl Call {
    /// What `request` asks for, in the working folder of this process.
    #[must_use]
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            deletes: request.delete,
            links: request.links,
            skip_refused: request.skip_refused,
            target: request.target.to_string().into(),
            folder: env::current_dir().unwrap_or_default().into_os_string(),
            name: request.name.clone(),
            paths: request.paths.clone(),
            exclude: match &request.exclude {
                Some(exclude) => exclude.typed().to_vec(),
                None => Vec::new(),
            },
        }
    }

    /// A request for the same, shown as `request` asks for.
    #[must_use]
    pub(crate) fn request(&self, request: &Request) -> Option<Request> {
        Some(Request {
            target: parse_target(&self.target).ok()?,
            paths: self.paths.clone(),
            exclude: match self.exclude.is_empty() {
                true => None,
                false => Some(Exclude::new(self.exclude.iter().cloned()).ok()?),
            },
            links: self.links,
            delete: self.deletes,
            skip_refused: self.skip_refused,
            name: self.name.clone(),
            go_on: true,
            ..request.clone()
        })
    }
}

impl Journal {
    /// The journal of the last call that stopped, if there is one.
    ///
    /// # Errors
    /// It cannot be read, or is none; `WouldBlock`: another call goes on with it at this moment.
    pub(crate) fn load() -> io::Result<Option<(Self, JournalFile)>> {
        match path() {
            Some(path) => Self::load_from(&path),
            None => Ok(None),
        }
    }

    fn load_from(path: &Path) -> io::Result<Option<(Self, JournalFile)>> {
        let not_ours = || {
            let text = format!(
                "{} is not a file that only you can write to",
                text::file(path)
            );
            io::Error::new(io::ErrorKind::PermissionDenied, text)
        };
        let (file, found) = match open_regular(CWD, path, OFlags::RDONLY, OnLink::Refuse) {
            Ok(opened) => opened,
            Err(NotOpened::System(Errno::NOENT)) => return Ok(None),
            Err(NotOpened::System(errno)) => return Err(errno.into()),
            Err(NotOpened::NotRegular) => return Err(not_ours()),
        };
        let others_may_write = found.state.mode & 0o022 != 0;
        if found.owner.0 != geteuid().as_raw() || others_may_write {
            return Err(not_ours());
        }
        // Other errors are none: NFS locks no file that is open for reading only.
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        if locked == Err(Errno::WOULDBLOCK) {
            return Err(Errno::WOULDBLOCK.into());
        }
        let journal = Self::read(BufReader::new(&file))?;
        Ok(Some((journal, JournalFile(file))))
    }

    fn read(mut input: impl Read) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let mut magic = [0; MAGIC.len()];
        let mut choices = [0; 4];
        input.read_exact(&mut magic)?;
        input.read_exact(&mut choices)?;
        let [stage, deletes, links, skip_refused] = choices;
        let stage = match (&magic == MAGIC, stage) {
            (true, b's') => Stage::Sending,
            (true, b'd') => Stage::Deleting,
            _ => return Err(invalid()),
        };
        let [deletes, skip_refused] = match [deletes, skip_refused] {
            flags @ [0 | 1, 0 | 1] => flags.map(|flag| flag == 1),
            _ => return Err(invalid()),
        };
        if stage == Stage::Deleting && !deletes {
            return Err(invalid());
        }
        let links = match links {
            0 => Links::Send,
            1 => Links::Ignore,
            2 => Links::Follow,
            _ => return Err(invalid()),
        };
        let target = text(&mut input)?;
        let folder = text(&mut input)?;
        let name = Some(text(&mut input)?).filter(|name| !name.is_empty());
        let paths = (0..number(&mut input)?).map(|_| text(&mut input));
        let paths = paths.collect::<io::Result<_>>()?;
        let exclude = (0..number(&mut input)?).map(|_| text(&mut input));
        let exclude = exclude.collect::<io::Result<_>>()?;
        // Record by record: what is none ends it, however long it is.
        let mut whole = Writer::new(BufWriter::new(waiting_file()?))?;
        let mut records = Reader::new(input)?;
        while let Some(record) = records.next()? {
            whole.record(record.kind, record.path, &record.state)?;
        }
        let mut manifest = whole.finish()?.into_inner()?;
        manifest.rewind()?;
        Ok(Self {
            stage,
            call: Call {
                deletes,
                links,
                skip_refused,
                target,
                folder,
                name,
                paths,
                exclude,
            },
            manifest,
        })
    }
}

/// Keeps `call`, which came as far as `stage`, with one manifest made of `manifests`.
///
/// # Errors
/// There is no folder for it, or it cannot be written.
pub(crate) fn save(call: &Call, stage: Stage, manifests: &[&File]) -> io::Result<()> {
    let path = path().ok_or(io::ErrorKind::NotFound)?;
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let private = Permissions::from_mode(0o600);
    let mut file = tempfile::Builder::new()
        .permissions(private)
        .tempfile_in(folder)?;
    write(BufWriter::new(file.as_file_mut()), call, stage, manifests)?;
    file.persist(path)?;
    Ok(())
}

impl JournalFile {
    /// Removes it, unless another call that stopped has put its own in its place.
    pub(crate) fn remove(&self) {
        let Some(path) = path() else { return };
        let there = lstat(&path).map(|found| FileId::from(&found));
        if there == fstat(&self.0).map(|found| FileId::from(&found)) {
            let _it_may_be_gone = fs::remove_file(path);
        }
    }
}

/// `$XDG_STATE_HOME/qfile/journal`, by default below `~/.local/state` (XDG Base Directory
/// Specification: a path that is not absolute counts as none).
fn path() -> Option<PathBuf> {
    let absolute = |name| {
        let path = PathBuf::from(env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let state = absolute("XDG_STATE_HOME");
    let state = state.or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join(Path::new("qfile/journal")))
}

fn write(mut output: impl Write, call: &Call, stage: Stage, manifests: &[&File]) -> io::Result<()> {
    let stage = match stage {
        Stage::Sending => b's',
        Stage::Deleting => b'd',
    };
    let links = match call.links {
        Links::Send => 0,
        Links::Ignore => 1,
        Links::Follow => 2,
    };
    output.write_all(MAGIC)?;
    output.write_all(&[stage, call.deletes.into(), links, call.skip_refused.into()])?;
    let name = call.name.as_deref().unwrap_or_default();
    for text in [&*call.target, &*call.folder, name] {
        write_text(&mut output, text)?;
    }
    output.write_all(&length(call.paths.len())?.to_le_bytes())?;
    for path in &call.paths {
        write_text(&mut output, path)?;
    }
    output.write_all(&length(call.exclude.len())?.to_le_bytes())?;
    for pattern in &call.exclude {
        write_text(&mut output, pattern)?;
    }
    let mut joined = Writer::new(output)?;
    for mut manifest in manifests.iter().copied() {
        manifest.rewind()?;
        let mut records = Reader::new(BufReader::new(manifest))?;
        while let Some(record) = records.next()? {
            joined.record(record.kind, record.path, &record.state)?;
        }
    }
    joined.finish()?;
    Ok(())
}

fn write_text(output: &mut impl Write, text: &OsStr) -> io::Result<()> {
    output.write_all(&length(text.len())?.to_le_bytes())?;
    output.write_all(text.as_bytes())
}

fn length(len: usize) -> io::Result<u32> {
    u32::try_from(len).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn number(input: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn text(input: &mut impl Read) -> io::Result<OsString> {
    let len = usize::try_from(number(input)?).unwrap_or(usize::MAX);
    if len > MAX_TEXT_LEN {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; len];
    input.read_exact(&mut bytes)?;
    Ok(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FileType, Mode};

    use super::*;

    #[test]
    fn a_call_comes_back_as_it_was_and_cut_anywhere_it_is_none() {
        let call = Call {
            deletes: true,
            links: Links::Follow,
            skip_refused: true,
            target: "work".into(),
            folder: OsString::from_vec(b"/home/\xFF".to_vec()),
            name: Some("-name".into()),
            paths: vec!["a".into(), OsString::from_vec(b"b\n".to_vec())],
            exclude: vec!["*.o".into(), "target/".into()],
        };
        let mut manifest = tempfile::tempfile().unwrap();
        Writer::new(&mut manifest).unwrap().finish().unwrap();
        let mut bytes = Vec::new();
        write(&mut bytes, &call, Stage::Deleting, &[&manifest, &manifest]).unwrap();
        let journal = Journal::read(&*bytes).unwrap();
        assert_eq!((journal.stage, &journal.call), (Stage::Deleting, &call));
        for len in 0..bytes.len() {
            assert!(Journal::read(&bytes[..len]).is_err(), "{len}");
        }
    }

    /// The bytes of a journal of `stage`.
    fn bytes(deletes: bool, stage: Stage) -> Vec<u8> {
        let call = Call {
            deletes,
            links: Links::Send,
            skip_refused: false,
            target: "work".into(),
            folder: "/home".into(),
            name: None,
            paths: vec!["a".into()],
            exclude: Vec::new(),
        };
        let mut manifest = tempfile::tempfile().unwrap();
        Writer::new(&mut manifest).unwrap().finish().unwrap();
        let mut bytes = Vec::new();
        write(&mut bytes, &call, stage, &[&manifest]).unwrap();
        bytes
    }

    #[test]
    fn no_copy_has_come_to_deleting() {
        assert!(Journal::read(&*bytes(true, Stage::Deleting)).is_ok());
        assert!(Journal::read(&*bytes(false, Stage::Deleting)).is_err());
    }

    #[test]
    fn a_journal_without_end_is_none() {
        let begin = bytes(false, Stage::Sending);
        let endless = begin[..begin.len() - 4].chain(io::repeat(0xFF));
        assert!(Journal::read(endless).is_err());
        let endless = b"qfile-journal 2\ns\0\0\0".chain(io::repeat(0xFF));
        assert!(Journal::read(endless).is_err());
    }

    #[test]
    fn only_a_file_that_nobody_else_writes_to_is_a_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        assert!(Journal::load_from(&path).unwrap().is_none());
        fs::write(&path, bytes(false, Stage::Sending)).unwrap();
        for (mode, is_good) in [(0o600, true), (0o644, true), (0o660, false), (0o606, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let loaded = Journal::load_from(&path);
            assert_eq!(loaded.is_ok(), is_good, "{mode:o}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
        for other in [&link, &fifo, folder.path()] {
            assert!(Journal::load_from(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn two_calls_do_not_go_on_with_the_same_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        fs::write(&path, bytes(false, Stage::Sending)).unwrap();
        let first = Journal::load_from(&path).unwrap();
        let second = Journal::load_from(&path).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::WouldBlock);
        drop(first);
        assert!(Journal::load_from(&path).unwrap().is_some());
    }
}
