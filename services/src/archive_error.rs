//! What can be wrong with an archive.
//!
//! An archive may come from anywhere, and different readers make different things of a damaged one.
//! So nothing is guessed and nothing passed over: what is not understood ends the conversion.

use std::fmt;
use std::io;

use text::foreign;

/// Why an archive cannot be converted.
#[derive(Debug)]
pub enum ArchiveError {
    /// It cannot be read.
    Read(io::Error),
    /// Its first block is no header. If it is known what it is, the program that unpacks it.
    NotAnArchive(Option<&'static str>),
    /// The block at this position is no header.
    Header(u64),
    /// What goes before a member, at this position, is too long or makes no sense.
    Extension(u64),
    /// There are more zeros before this position than any archive has between its members or behind
    /// them.
    Zeros(u64),
    /// It ends early: in this member, if one had begun.
    Cut(Option<Vec<u8>>),
    /// This member, which is no file, has content: some readers would take that for headers.
    Content(Vec<u8>),
    /// This file has holes.
    Sparse(Vec<u8>),
    /// This file began in another volume.
    Continued(Vec<u8>),
    /// No receiver would take a file of this name.
    Name(Vec<u8>),
    /// Its files are in more folders than can be remembered.
    Folders,
}

impl ArchiveError {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Read(_) => "check the disk, or the command that it comes from",
            Self::NotAnArchive(Some(_)) => "decompress it, or give a command that decompresses it",
            Self::NotAnArchive(None) => "check that it is the right file",
            Self::Header(_) | Self::Extension(_) | Self::Cut(_) | Self::Content(_) => {
                "the part before this is not the complete archive; use another copy of it"
            }
            Self::Zeros(_) => {
                "cut them off, or give a command that reads the archive and no more, such as head -c"
            }
            Self::Sparse(_) => "make the archive without --sparse",
            Self::Continued(_) => "join the volumes",
            Self::Name(_) => "leave it out, or create the archive again with another name",
            Self::Folders => "restore it in parts, selected by the beginning of the names",
        }
    }

    /// What an error of reading stands for.
    pub(crate) fn reading(error: io::Error, member: Option<&[u8]>) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Cut(member.map(<[u8]>::to_vec)),
            _ => Self::Read(error),
        }
    }
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "cannot read the archive: {error}"),
            Self::NotAnArchive(None) => write!(f, "it is not a tar archive"),
            Self::NotAnArchive(Some(program)) => {
                write!(f, "it is not a tar archive but compressed ({program})")
            }
            Self::Header(at) => write!(f, "the archive is damaged: no header at byte {at}"),
            Self::Extension(at) => {
                write!(f, "the archive is damaged: no extended header at byte {at}")
            }
            Self::Zeros(at) => write!(
                f,
                "only zeros before byte {at}; it is not known whether more of the archive follows"
            ),
            Self::Cut(None) => write!(f, "the archive ends early"),
            Self::Cut(Some(name)) => write!(f, "the archive ends early, in \"{}\"", foreign(name)),
            Self::Content(name) => write!(
                f,
                "the archive is damaged: \"{}\" is not a file but has content",
                foreign(name)
            ),
            Self::Sparse(name) => write!(
                f,
                "\"{}\" is stored without its holes, and cannot be converted",
                foreign(name)
            ),
            Self::Continued(name) => write!(
                f,
                "\"{}\" begins in another volume of the archive",
                foreign(name)
            ),
            Self::Name(name) => {
                write!(f, "no receiver accepts a file named \"{}\"", foreign(name))
            }
            Self::Folders => write!(f, "the files of the archive are in too many folders"),
        }
    }
}
