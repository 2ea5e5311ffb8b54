//! Entries → stream.

use std::fmt;
use std::io::Write as _;

use files::{Stat, Time};
use qfile_proto::header::MAX_TARGET_LEN;
use qfile_proto::{Encoder, Entry, Kind, Timestamp};
use text::name;
use transfer::landed::{Known, Landed};
use transfer::{BUFFER_LEN, Output};
use walk::{
    ByName, Found, FoundFile, FoundSymlink, NameFilter, Refusal, Walk, WalkError, What,
    refusal_of_link,
};

use crate::entries::{self, Entries};
use crate::error::Error;
use crate::journal::{First, Journal, Stopped};
use crate::left_out::{CannotBeSent, Changed, ChangedSince, LeftOut, Refused};
use crate::manifest::{Manifest, settled};
use crate::progress::Progress;
use crate::source::{NoLength, Piece, Source};

/// Zeros to send in place of holes.
static ZEROS: [u8; BUFFER_LEN] = [0; BUFFER_LEN];

/// Puts the stream together and writes it.
#[derive(Debug)]
pub(crate) struct Sender<'a> {
    encoder: Encoder<Output<'a>>,
    progress: &'a mut Progress,
    notes: Notes<'a>,
    filter: Option<NameFilter>,
    buffer: Vec<u8>,
    left_out: LeftOut,
    time_warned: bool,
    is_whole: bool,
    first: Option<First>,
}

/// The lists of what is sent, for another call or another program.
#[derive(Debug, Default)]
pub(crate) struct Notes<'a> {
    /// What `qvm-move` may delete when it is confirmed.
    pub(crate) manifest: Option<&'a mut Manifest>,
    /// What has landed if the copy stops.
    pub(crate) journal: Option<&'a mut Journal>,
    /// What has landed of a copy that stopped, and is left out.
    pub(crate) landed: Option<Landed>,
    /// Who is told of each entry.
    pub(crate) entries: Entries,
    /// No warnings are wanted.
    pub(crate) quiet: bool,
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
        notes: Notes<'a>,
        skip_refused: bool,
    ) -> Self {
        Self {
            encoder: Encoder::new(output),
            progress,
            left_out: LeftOut::new(notes.manifest.is_some()),
            notes,
            filter: skip_refused.then(NameFilter::default),
            buffer: vec![0; BUFFER_LEN],
            time_warned: false,
            is_whole: false,
            first: None,
        }
    }

    /// Sends all that `walk` finds, and the end header.
    pub(crate) fn send(&mut self, mut walk: Walk<'_>) -> Result<Sent, Error> {
        self.progress.begin().map_err(Error::from_stream)?;
        while let Some(found) = walk.next() {
            match found
                .map_err(Error::from)
                .and_then(|found| self.found(&found))
            {
                // Others may use the folder meanwhile; nothing of this entry was sent yet.
                Err(Error::Walk(error)) if error.is_vanished() => {
                    if let Some(manifest) = &mut self.notes.manifest {
                        manifest.note_vanished(&error.path)?;
                    }
                    self.not_sent(&error.path, entries::VANISHED)?;
                    self.leave_out(&error);
                }
                Err(Error::Walk(error)) if self.filter.is_some() && error.is_refused() => {
                    self.leave_out_refused(&error.path, Refusal::TooLong)?;
                }
                other => other?,
            }
        }
        self.is_whole = true;
        self.encoder.end().map_err(Error::from_stream)?;
        self.progress.wait_for_verdict();
        Ok(Sent {
            checksum: self.encoder.checksum(),
            left_out: std::mem::take(&mut self.left_out),
        })
    }

    /// How far the stream came. What waits to be sent is sent first if `failure` is one of this side,
    /// so that the receiver can say how far it came.
    pub(crate) fn stopped(mut self, failure: &Error) -> Stopped {
        if failure.is_of_this_side() {
            let _the_receiver_says_why = self.encoder.get_mut().flush();
        }
        Stopped {
            checksum: self.encoder.checksum(),
            is_whole: self.is_whole,
            first: self.first,
        }
    }

    fn found(&mut self, found: &Found<'_>) -> Result<(), Error> {
        let by_name = self.filter.as_mut().map(|filter| filter.judge(found));
        match by_name.unwrap_or(ByName::Fine) {
            ByName::Fine => {}
            ByName::InRefused => return Ok(()),
            ByName::Refused(refusal) => return self.leave_out_refused(found.path, refusal),
        }
        match &found.what {
            What::EnterFolder(stat) => {
                self.begin(found, stat)?;
                self.header(found, Kind::Directory, 0, stat)?;
                self.sent(found, stat)
            }
            What::LeaveFolder(stat) => self.header(found, Kind::Directory, 0, stat),
            What::File(file) => self.file(found, file),
            What::Symlink(link) => self.link(found, link),
            What::Special(kind) => {
                if let Some(manifest) = &mut self.notes.manifest {
                    manifest.note_special(found)?;
                }
                self.not_sent(found.path, entries::SPECIAL)?;
                let special = CannotBeSent(found.path, *kind);
                self.name_left_out(&special);
                self.left_out.add_special(&special);
                Ok(())
            }
        }
    }

    fn file(&mut self, found: &Found<'_>, file: &FoundFile<'_>) -> Result<(), Error> {
        let cannot_read = |error| Error::Content(found.path.to_vec(), error);
        if self.notes.landed.is_some() && self.has_landed(found, &file.stat()?)? {
            return Ok(());
        }
        let (file, mut stat) = file.open()?;
        let mut is_settled = true;
        if self.notes.manifest.is_some() || self.notes.journal.is_some() {
            let settled = settled(&file, stat).map_err(cannot_read)?;
            is_settled = settled.is_some();
            stat = settled.unwrap_or(stat);
        }
        self.progress.entry(found.path);
        let mut buffer = std::mem::take(&mut self.buffer);
        let sent = self.content(
            found,
            Source::open(file, stat, &mut buffer),
            &stat,
            is_settled,
        );
        self.buffer = buffer;
        sent
    }

    fn content(
        &mut self,
        found: &Found<'_>,
        source: Result<Source<'_>, NoLength>,
        stat: &Stat,
        is_settled: bool,
    ) -> Result<(), Error> {
        let cannot_read = |error| Error::Content(found.path.to_vec(), error);
        let mut source = source.map_err(|error| match error {
            NoLength::Read(error) => cannot_read(error),
            other => Error::NoLength(found.path.to_vec(), other),
        })?;
        self.begin(found, stat)?;
        self.header(found, Kind::File, source.len(), stat)?;
        // What the survey before the copy knows of its length, which is what progress counts.
        let mut uncounted = stat.state.size;
        loop {
            let (sent, count) = match source.next().map_err(cannot_read)? {
                Piece::Data(bytes) => (self.encoder.content(bytes), bytes.len() as u64),
                Piece::Zeros(count) => (self.encoder.zeros(count, &ZEROS), count),
                Piece::End => break,
                Piece::Shrunk => return Err(Error::Shrunk(found.path.to_vec())),
            };
            let counted = count.min(uncounted);
            uncounted -= counted;
            sent.and_then(|()| self.progress.advance(counted))
                .map_err(Error::from_stream)?;
        }
        self.progress
            .advance(uncounted)
            .map_err(Error::from_stream)?;
        if !is_settled || source.has_changed().map_err(cannot_read)? {
            if let Some(manifest) = &mut self.notes.manifest {
                manifest.note_changed(found, stat)?;
            }
            self.not_sent(found.path, entries::CHANGED)?;
            self.leave_out(&Changed(found.path));
            return Ok(());
        }
        self.sent(found, stat)
    }

    fn link(&mut self, found: &Found<'_>, link: &FoundSymlink<'_>) -> Result<(), Error> {
        // In this order: reading the target changes the link's time of last access.
        let stat = link.stat()?;
        if self.has_landed(found, &stat)? {
            return Ok(());
        }
        let target = link.target()?;
        if self.filter.is_some() {
            if let Some(refusal) = refusal_of_link(found.name, &target) {
                return self.leave_out_refused(found.path, refusal);
            }
        }
        if target.len() > MAX_TARGET_LEN {
            return Err(Error::TargetTooLong(found.path.to_vec()));
        }
        let len = target.len() as u64;
        self.begin(found, &stat)?;
        self.header(found, Kind::Symlink, len, &stat)?;
        self.encoder
            .content(&target)
            .and_then(|()| self.progress.advance(len))
            .map_err(Error::from_stream)?;
        self.sent(found, &stat)
    }

    /// True if `found`, in the state `stat`, is not to be sent, because it is there already.
    fn has_landed(&mut self, found: &Found<'_>, stat: &Stat) -> Result<bool, Error> {
        let Some(landed) = &mut self.notes.landed else {
            return Ok(false);
        };
        let state = stat.state;
        let known = landed.judge(found.path, &state);
        match known.map_err(Error::Landed)? {
            Known::Nothing => return Ok(false),
            Known::Same => {}
            Known::Changed => {
                if let Some(manifest) = &mut self.notes.manifest {
                    manifest.note_older(found, &state)?;
                }
                self.not_sent(found.path, entries::ARRIVED_BEFORE)?;
                self.leave_out(&ChangedSince(found.path));
            }
        }
        Ok(true)
    }

    /// An entry is about to be sent.
    fn begin(&mut self, found: &Found<'_>, stat: &Stat) -> Result<(), Error> {
        self.progress.count(stat.state.file_type());
        self.first.get_or_insert_with(|| First {
            name: found.name.to_vec(),
            is_folder: stat.state.is_folder(),
        });
        match &mut self.notes.journal {
            Some(journal) => journal.begin(found, stat),
            None => Ok(()),
        }
    }

    /// All of an entry, of a folder its first header, was sent.
    fn sent(&mut self, found: &Found<'_>, stat: &Stat) -> Result<(), Error> {
        let told = self.notes.entries.sent(found.path, stat, self.progress);
        told.map_err(Error::Entries)?;
        match &mut self.notes.manifest {
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
    ) -> Result<(), Error> {
        let clamped = |time: Time| Timestamp::clamped(time.seconds, time.nanoseconds.into());
        let (atime, atime_clamped) = clamped(stat.atime);
        let (mtime, mtime_clamped) = clamped(stat.state.mtime);
        if (atime_clamped || mtime_clamped) && !self.time_warned && !self.notes.quiet {
            self.time_warned = true;
            self.progress.note(format_args!(
                "the times of {}, and maybe of other entries, are not between 1970 and 2106; they \
                 arrive with the nearest times that can be sent",
                name(found.path)
            ));
        }
        let entry = Entry {
            kind,
            permissions: stat.state.mode,
            len,
            atime,
            mtime,
        };
        self.encoder
            .header(found.name, &entry)
            .map_err(Error::from_stream)
    }

    /// What is at `path` is not in the stream as it should be.
    fn not_sent(&mut self, path: &[u8], reason: &str) -> Result<(), Error> {
        let told = self.notes.entries.not_sent(path, reason);
        told.map_err(Error::Entries)
    }

    fn leave_out(&mut self, what: &dyn fmt::Display) {
        self.name_left_out(what);
        self.left_out.add(what);
    }

    /// Leaves out what the receiver would refuse.
    fn leave_out_refused(&mut self, path: &[u8], refusal: Refusal) -> Result<(), Error> {
        if let Some(manifest) = &mut self.notes.manifest {
            manifest.note_refused(path)?;
        }
        self.leave_out(&Refused(path, refusal));
        self.not_sent(path, entries::REFUSED)
    }

    /// Names what is left out, unless the reader of the manifest will.
    fn name_left_out(&mut self, what: &dyn fmt::Display) {
        if !self.left_out.is_listed() {
            self.progress.note(format_args!("{what}"));
        }
    }
}

impl From<WalkError> for Error {
    fn from(error: WalkError) -> Self {
        Self::Walk(error)
    }
}
