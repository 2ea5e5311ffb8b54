//! Entries → stream.

use std::fmt;

use qfile_proto::display::own;
use qfile_proto::header::MAX_TARGET_LEN;
use qfile_proto::{Encoder, Entry, Kind, Timestamp};
use qfile_sender::{BUFFER_LEN, Output};
use qfile_walk::{Found, FoundFile, FoundSymlink, Stat, Walk, WalkError, What};

use crate::left_out::{CannotBeSent, Changed, LeftOut};
use crate::manifest::{Manifest, settled};
use crate::progress::Progress;
use crate::report::Failure;
use crate::source::{Piece, Source};

/// Zeros to send in place of holes.
static ZEROS: [u8; BUFFER_LEN] = [0; BUFFER_LEN];

/// Puts the stream together and writes it.
#[derive(Debug)]
pub(crate) struct Sender<'a> {
    encoder: Encoder<Output<'a>>,
    progress: &'a mut Progress,
    manifest: Option<&'a mut Manifest>,
    buffer: Vec<u8>,
    left_out: LeftOut,
    time_warned: bool,
}

/// What is known of a stream once it was sent to its end.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The checksum that the receiver must have.
    pub(crate) checksum: u32,
    /// What the stream does not hold.
    pub(crate) left_out: LeftOut,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(
        output: Output<'a>,
        progress: &'a mut Progress,
        manifest: Option<&'a mut Manifest>,
    ) -> Self {
        Self {
            encoder: Encoder::new(output),
            progress,
            manifest,
            buffer: vec![0; BUFFER_LEN],
            left_out: LeftOut::default(),
            time_warned: false,
        }
    }

    /// Sends all that `walk` finds, and the end header.
    pub(crate) fn send(mut self, mut walk: Walk<'_>) -> Result<Sent, Failure> {
        self.progress.begin().map_err(Failure::from_stream)?;
        while let Some(found) = walk.next() {
            match found
                .map_err(Failure::from)
                .and_then(|found| self.found(&found))
            {
                // Others may use the folder meanwhile; nothing of this entry was sent yet.
                Err(Failure::Walk(error)) if error.is_vanished() => self.leave_out(&error),
                other => other?,
            }
        }
        self.encoder.end().map_err(Failure::from_stream)?;
        self.progress.wait_for_verdict();
        Ok(Sent {
            checksum: self.encoder.checksum(),
            left_out: self.left_out,
        })
    }

    fn found(&mut self, found: &Found<'_>) -> Result<(), Failure> {
        match &found.what {
            What::EnterFolder(stat) => {
                self.header(found, Kind::Directory, 0, stat)?;
                self.sent(found, stat)
            }
            What::LeaveFolder(stat) => self.header(found, Kind::Directory, 0, stat),
            What::File(file) => self.file(found, file),
            What::Symlink(link) => self.link(found, link),
            What::Special(kind) => {
                self.leave_out(&CannotBeSent(found.path, *kind));
                Ok(())
            }
        }
    }

    fn file(&mut self, found: &Found<'_>, file: &FoundFile<'_>) -> Result<(), Failure> {
        let cannot_read = |error| Failure::Content(found.path.to_vec(), error);
        let (file, mut stat) = file.open()?;
        if self.manifest.is_some() {
            stat = settled(&file, stat).map_err(cannot_read)?;
        }
        self.progress.entry(found.path);
        self.header(found, Kind::File, stat.size, &stat)?;
        let mut source = Source::new(file, stat, &mut self.buffer);
        loop {
            let (sent, count) = match source.next().map_err(cannot_read)? {
                Piece::Data(bytes) => (self.encoder.content(bytes), bytes.len() as u64),
                Piece::Zeros(count) => (self.encoder.zeros(count, &ZEROS), count),
                Piece::End => break,
                Piece::Shrunk => return Err(Failure::Shrunk(found.path.to_vec())),
            };
            sent.and_then(|()| self.progress.advance(count))
                .map_err(Failure::from_stream)?;
        }
        if source.has_changed().map_err(cannot_read)? {
            self.leave_out(&Changed(found.path));
            return Ok(());
        }
        self.sent(found, &stat)
    }

    fn link(&mut self, found: &Found<'_>, link: &FoundSymlink<'_>) -> Result<(), Failure> {
        // In this order: reading the target changes the link's time of last access.
        let stat = link.stat()?;
        let target = link.target()?;
        if target.len() > MAX_TARGET_LEN {
            return Err(Failure::TargetTooLong(found.path.to_vec()));
        }
        let len = target.len() as u64;
        self.header(found, Kind::Symlink, len, &stat)?;
        self.encoder
            .content(&target)
            .and_then(|()| self.progress.advance(len))
            .map_err(Failure::from_stream)?;
        self.sent(found, &stat)
    }

    /// All of an entry, of a folder its first header, was sent.
    fn sent(&mut self, found: &Found<'_>, stat: &Stat) -> Result<(), Failure> {
        match &mut self.manifest {
            Some(manifest) => manifest.note(found, stat),
            None => Ok(()),
        }
    }

    fn header(
        &mut self,
        found: &Found<'_>,
        kind: Kind,
        len: u64,
        stat: &Stat,
    ) -> Result<(), Failure> {
        let (atime, atime_clamped) = Timestamp::clamped(stat.atime.seconds, stat.atime.nanoseconds);
        let (mtime, mtime_clamped) = Timestamp::clamped(stat.mtime.seconds, stat.mtime.nanoseconds);
        if (atime_clamped || mtime_clamped) && !self.time_warned {
            self.time_warned = true;
            self.progress.note(format_args!(
                "the times of \"{}\" (and maybe others) are not between 1970 and 2106; \
                 it arrives with the nearest that can be sent",
                own(found.path)
            ));
        }
        let entry = Entry {
            kind,
            permissions: stat.mode,
            len,
            atime,
            mtime,
        };
        self.encoder
            .header(found.name, &entry)
            .map_err(Failure::from_stream)
    }

    fn leave_out(&mut self, what: &dyn fmt::Display) {
        self.progress.note(format_args!("{what}"));
        self.left_out.add(what);
    }
}

impl From<WalkError> for Failure {
    fn from(error: WalkError) -> Self {
        Self::Walk(error)
    }
}
