//! The answer: received into a file that has no name yet, or dropped.

use std::cell::Cell;
use std::io;
use std::os::unix::fs::FileExt;

use files::CHUNK_LEN;
use qfile_proto::edit_answer::{self, Decoder, Kind, SEARCH_LEN};
use qrexec::channel::Source;

use crate::answer_error::AnswerError;
use crate::keep::{elsewhere, moved_elsewhere};
use crate::original::Original;
use crate::temporary::Temporary;

/// How much of an answer is taken, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What comes is dropped.
    pub view_only: bool,
    /// Longest answer in bytes. By default four times the original and 1 GiB; nothing is stored
    /// of what is dropped, so there the default is no limit.
    pub max_bytes: Option<u64>,
}

impl Limit {
    /// What an interruption means, before anything has come.
    #[must_use]
    pub fn interrupted(&self) -> &'static str {
        match self.view_only {
            true => "interrupted",
            false => "interrupted; the file was not replaced",
        }
    }

    fn bytes(&self, original: &Original) -> u64 {
        let default = if self.view_only {
            u64::MAX
        } else {
            original.size().saturating_mul(4).saturating_add(1 << 30)
        };
        self.max_bytes.unwrap_or(default)
    }
}

/// In what form the answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Not a byte, or not yet known.
    None,
    /// Without a frame: nobody but the status of the call says whether it is whole, and it may
    /// begin with what a start-up file printed.
    Raw,
    /// In a frame, and whole.
    Framed(Kind),
}

/// What came, as far as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Whether the request asked for a frame: if not, the answer is none.
    pub(crate) asked_for_frame: bool,
    pub(crate) form: Form,
    /// `None` if there is no content or everything was dropped.
    pub(crate) stored: Option<Temporary>,
    /// It is in `/tmp`, for this reason, since the folder of the original did not take it.
    pub(crate) why_elsewhere: Option<io::Error>,
    /// What came before the frame; not content.
    pub(crate) untrusted_start_up_text: Vec<u8>,
    bytes: u64,
}

/// Receives into `answer` until the end of input. `asked` is set once the request is sent.
pub(crate) async fn receive(
    original: &Original,
    limit: Limit,
    from: &mut Source,
    asked: &Cell<bool>,
    answer: &mut Answer,
) -> Result<(), AnswerError> {
    let mut decoder = match answer.asked_for_frame {
        true => Decoder::default(),
        false => Decoder::of_raw_answer(),
    };
    let mut buffer = vec![0; CHUNK_LEN];
    let mut early = 0;
    let fault = loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) => break None,
            Ok(count) => count,
            Err(error) => break Some(AnswerError::Broken(error)),
        };
        let mut take = |content: &[u8]| answer.take(original, limit, content);
        decoder.take(&buffer[..count], &mut take)?;
        if !asked.get() {
            early += count;
            // A start-up file may print before the service reads; nobody else has anything to say yet.
            if decoder.is_framed() || early >= SEARCH_LEN {
                break Some(AnswerError::NotAsked);
            }
        }
        if decoder.fault().is_some() {
            break None;
        }
    };
    let understood = decoder.finish(&mut |content| answer.take(original, limit, content))?;
    answer.understand(original, limit, understood, early > 0, fault)
}

impl Answer {
    /// Nothing has come yet.
    pub(crate) fn to(asked_for_frame: bool) -> Self {
        Self {
            asked_for_frame,
            form: Form::None,
            stored: None,
            why_elsewhere: None,
            untrusted_start_up_text: Vec::new(),
            bytes: 0,
        }
    }

    /// Nothing more will come. `fault` is why nothing more was read, if that is not its end.
    fn understand(
        &mut self,
        original: &Original,
        limit: Limit,
        understood: edit_answer::Answer,
        came_early: bool,
        fault: Option<AnswerError>,
    ) -> Result<(), AnswerError> {
        let kind = match understood {
            edit_answer::Answer::Nothing => return fault.map_or(Ok(()), Err),
            edit_answer::Answer::Raw => {
                self.form = Form::Raw;
                let early = came_early.then_some(AnswerError::NotAsked);
                return fault.or(early).map_or(Ok(()), Err);
            }
            edit_answer::Answer::Framed {
                kind,
                untrusted_start_up_text,
            } => {
                self.untrusted_start_up_text = untrusted_start_up_text;
                kind
            }
        };
        let kind = match (kind, fault) {
            (_, Some(AnswerError::NotAsked)) => return Err(AnswerError::NotAsked),
            // It is whole, whatever became of the connection then.
            (Ok(kind), _) => kind,
            (Err(_), Some(fault)) => return Err(fault),
            (Err(fault), None) => return Err(AnswerError::Frame(fault)),
        };
        self.form = Form::Framed(match kind {
            // Of a file that is only looked at nothing comes back.
            Kind::Changed | Kind::Gone if limit.view_only => Kind::Unchanged,
            kind => kind,
        });
        if self.form == Form::Framed(Kind::Changed) && self.stored.is_none() {
            // The edit has emptied the file.
            self.store(original, b"").map_err(AnswerError::NotStored)?;
        }
        Ok(())
    }

    /// Takes content, or drops it if the file is only to be looked at.
    fn take(
        &mut self,
        original: &Original,
        limit: Limit,
        content: &[u8],
    ) -> Result<(), AnswerError> {
        let max_bytes = limit.bytes(original);
        let len = content.len() as u64;
        if len > max_bytes - self.bytes {
            return Err(AnswerError::TooLong(max_bytes));
        }
        if limit.view_only {
            self.bytes += len;
            return Ok(());
        }
        self.store(original, content)
            .map_err(AnswerError::NotStored)
    }

    /// Appends `chunk`, in the folder of the original, so that it can take its place. A folder that
    /// takes no new file, or not all of it, is no reason to lose an edit: `/tmp` may take it.
    fn store(&mut self, original: &Original, chunk: &[u8]) -> io::Result<()> {
        let in_folder = match &self.stored {
            Some(stored) => stored.file().write_all_at(chunk, self.bytes),
            None => Temporary::create(original.folder())
                .and_then(|new| self.stored.insert(new).file().write_all_at(chunk, 0)),
        };
        if let Err(error) = in_folder {
            if self.why_elsewhere.is_some() {
                return Err(error);
            }
            let moved = match &self.stored {
                Some(stored) => {
                    // What a failed write left behind is not part of the answer.
                    stored.file().set_len(self.bytes)?;
                    moved_elsewhere(stored)?
                }
                None => elsewhere()?,
            };
            self.why_elsewhere = Some(error);
            let stored = self.stored.insert(moved);
            stored.file().write_all_at(chunk, self.bytes)?;
        }
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    /// Nothing more will come. A disk may take all of it and then fail to write it, and says so once
    /// only (`fsync(2)`): then too `/tmp` may take it, for as long as it can still be read.
    pub(crate) fn make_durable(&mut self) -> io::Result<()> {
        let Some(stored) = &self.stored else {
            return Ok(());
        };
        if let (Err(error), None) = (stored.sync(), &self.why_elsewhere) {
            self.stored = Some(moved_elsewhere(stored)?);
            self.why_elsewhere = Some(error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_grows_with_the_original_unless_it_is_set() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("file"), [0; 1000]).unwrap();
        let original = Original::open(&home.path().join("file")).unwrap();
        for (view_only, max_bytes, expected) in [
            (false, None, 4000 + (1 << 30)),
            (false, Some(0), 0),
            (true, None, u64::MAX),
            (true, Some(7), 7),
        ] {
            let limit = Limit {
                view_only,
                max_bytes,
            };
            assert_eq!(limit.bytes(&original), expected);
        }
    }
}
