//! Members → stream.

use std::fmt;
use std::io::Write;

use qfile_proto::{Charset, Encoder, Entry, Kind as EntryKind, SafeName};
use transfer::SendError;

use crate::block::Kind;
use crate::folders::Folders;
use crate::input::Input;
use crate::selection::{Choice, Selection, without_dot};
use crate::{ArchiveError, Error, Member, Members};

/// What became of an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// All of it was read; else reading stopped after the last member that was wanted.
    pub is_read_to_the_end: bool,
    /// What was wanted and cannot be sent.
    pub left_out: LeftOut,
}

/// What a stream made of an archive does not say of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    hard_links: u64,
    symlinks: u64,
    unknown: u64,
    times: u64,
}

/// Encodes what `selection` wants of the archive, without the end of the stream: files, and the
/// folders above them.
///
/// # Errors
/// [`Error::Archive`], [`Error::Sending`].
pub fn convert<I: Input, W: Write>(
    members: &mut Members<I>,
    selection: &mut Selection,
    charset: Charset,
    encoder: &mut Encoder<W>,
) -> Result<Converted, Error> {
    let mut folders = Folders::default();
    let mut converted = Converted::default();
    while let Some(member) = members.next() {
        let member = member?;
        match selection.judge(without_dot(&member.untrusted_name)) {
            Choice::Take => converted.left_out.note(&member),
            Choice::Leave => continue,
            Choice::Stop => return Ok(converted),
        }
        match member.kind {
            Kind::File => {}
            Kind::Sparse => return Err(ArchiveError::Sparse(member.untrusted_name).into()),
            Kind::Continued => return Err(ArchiveError::Continued(member.untrusted_name).into()),
            Kind::HardLink | Kind::Symlink | Kind::Empty | Kind::Unknown => continue,
        }
        header(&member, charset, &mut folders, encoder)?;
        while let Some(bytes) = members.content()? {
            encoder.content(bytes).map_err(SendError::from_stream)?;
        }
    }
    converted.is_read_to_the_end = true;
    Ok(converted)
}

/// Announces a file, and before it the folders above it that are new. They get its mode and times:
/// that is all there is, for the archive need not have members for them.
fn header<W: Write>(
    file: &Member,
    charset: Charset,
    folders: &mut Folders,
    encoder: &mut Encoder<W>,
) -> Result<(), Error> {
    let refused = || ArchiveError::Name(file.untrusted_name.clone());
    let name =
        SafeName::parse(without_dot(&file.untrusted_name), charset).map_err(|_| refused())?;
    if name.as_bytes().len() > qfile_proto::header::MAX_NAME_LEN {
        return Err(refused().into());
    }
    let entry = |kind, len| Entry {
        kind,
        permissions: file.mode,
        len,
        atime: file.atime,
        mtime: file.mtime,
    };
    for folder in folders.new_above(name.as_bytes())? {
        encoder
            .header(folder, &entry(EntryKind::Directory, 0))
            .map_err(SendError::from_stream)?;
    }
    encoder
        .header(name.as_bytes(), &entry(EntryKind::File, file.len))
        .map_err(SendError::from_stream)?;
    Ok(())
}

impl LeftOut {
    fn note(&mut self, member: &Member) {
        match member.kind {
            Kind::HardLink => self.hard_links += 1,
            Kind::Symlink => self.symlinks += 1,
            Kind::Unknown => self.unknown += 1,
            Kind::File => self.times += u64::from(member.is_clamped),
            Kind::Sparse | Kind::Continued | Kind::Empty => {}
        }
    }

    /// True if there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.hard_links, "hard links left out"),
            (self.symlinks, "symbolic links left out"),
            (self.unknown, "members of unknown type left out"),
            (
                self.times,
                "files with times that are not between 1970 and 2106",
            ),
        ];
        let mut separator = "";
        for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{what}: {count}")?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
