//! The answer: what became of the file, with its new content if there is one that can be sent.
//!
//! A client that asked for it gets a frame ([`qfile_proto::edit_answer`]), which says what became of
//! the file and shows whether it is complete. Any other client gets the new content and nothing else.

use std::fs::File;
use std::os::unix::fs::FileExt;

use files::{CHUNK_LEN, NotOpened, OnLink, Stat, State, open_regular};
use qfile_proto::edit_answer::{Encoder, Kind};
use qrexec::channel::Sink;
use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;

use crate::changed::{Fingerprint, Fingerprinting};
use crate::error::Error;
use crate::intake::Document;
use crate::others;
use crate::scratch::Scratch;

/// The answer to one request, which is about to be sent.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) document: &'a Document,
    pub(crate) scratch: &'a Scratch,
    pub(crate) to: &'a mut Sink,
}

/// New content that is to be sent.
struct Content {
    file: File,
    state: State,
    fingerprint: Fingerprint,
}

impl Answer<'_> {
    /// The user is done: sends the new content, or that there is none.
    pub(crate) async fn of_finished(mut self) -> Result<(), Error> {
        if self.document.view_only {
            return self.send_word(Kind::Unchanged).await;
        }
        match self.new_content().await {
            Ok(Some(content)) => self.send_content(Kind::Changed, content).await,
            Ok(None) => self.send_word(Kind::Unchanged).await,
            Err(failure) => {
                if matches!(failure, Error::Gone(..) | Error::NotRegular(_)) {
                    let _the_failure_is_told_anyway = self.send_word(Kind::Gone).await;
                }
                Err(failure)
            }
        }
    }

    /// Something failed while the file was open: sends what was saved until then, since the other
    /// qube keeps it aside.
    pub(crate) async fn of_failed(mut self, why: &Error) -> Result<(), Error> {
        let kind = why.kind();
        let may_have_content = !self.document.view_only
            && self.document.looks_changed()
            && (self.document.wants_frame || kind == Kind::OpenerFailed);
        let content = if may_have_content {
            self.new_content().await
        } else {
            Ok(None)
        };
        match content {
            Ok(Some(content)) => self.send_content(kind, content).await,
            Ok(None) => self.send_word(kind).await,
            Err(failure) => {
                let _the_failure_is_told_anyway = self.send_word(kind).await;
                Err(failure)
            }
        }
    }

    /// The content of the file, if it is another one than arrived.
    async fn new_content(&self) -> Result<Option<Content>, Error> {
        let (file, stat) = self.open()?;
        let state = stat.state;
        let arrived = &self.document.arrived;
        if state == arrived.state {
            return Ok(None);
        }
        let fingerprint = Fingerprint::of(&file).await;
        let fingerprint = fingerprint.map_err(Error::system("read the file"))?;
        Ok((fingerprint != arrived.fingerprint).then_some(Content {
            file,
            state,
            fingerprint,
        }))
    }

    /// Opens what has the name of the document now: an editor may have put a new file there, but
    /// must not have put a link.
    fn open(&self) -> Result<(File, Stat), Error> {
        let name = || self.document.name.clone();
        match open_regular(CWD, &self.document.path, OFlags::RDONLY, OnLink::Refuse) {
            Ok(opened) => Ok(opened),
            Err(NotOpened::System(Errno::NOENT)) => {
                let others = others::find(self.scratch.path(), &name()).unwrap_or_default();
                let saved_as = match others.as_slice() {
                    [only] => Some(only.to_string_lossy().into_owned()),
                    _ => None,
                };
                Err(Error::Gone(name(), saved_as))
            }
            Err(NotOpened::NotRegular) => Err(Error::NotRegular(name())),
            Err(NotOpened::System(errno)) => {
                Err(Error::System("open the file again", errno.into()))
            }
        }
    }

    /// Sends that `kind` is so. Without a frame there is no way to say it.
    async fn send_word(&mut self, kind: Kind) -> Result<(), Error> {
        if !self.document.wants_frame {
            return Ok(());
        }
        let (encoder, start) = Encoder::start(kind, 0);
        let frame = [&start[..], &encoder.end()].concat();
        let sent = self.to.write_all(&frame).await;
        sent.map_err(|error| Error::NobodyListens(self.document.name.clone(), error))
    }

    async fn send_content(&mut self, kind: Kind, content: Content) -> Result<(), Error> {
        if !self.document.wants_frame {
            return self.send_raw(content).await;
        }
        let (mut encoder, start) = Encoder::start(kind, content.state.size);
        self.write(&start).await?;
        self.copy(&content, content.state.size, |bytes| encoder.content(bytes))
            .await?;
        // Without its end the frame is not believed, which is right for content that was torn.
        self.check_untouched(&content)?;
        self.write(&encoder.end()).await
    }

    async fn send_raw(&mut self, content: Content) -> Result<(), Error> {
        if content.state.size == 0 {
            return Err(Error::Emptied(self.document.name.clone()));
        }
        self.copy(&content, u64::MAX, |_| {}).await?;
        // Only the status says whether all was sent, so it must be the truth.
        self.check_untouched(&content)
    }

    /// Sends the content, at most `max` bytes of it. It has to be what was looked at before: that it
    /// has the same size and time is not enough, since a program that has mapped the file into its
    /// memory (`mmap(2)`) can write to it without a trace.
    async fn copy(
        &mut self,
        content: &Content,
        max: u64,
        mut note: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let mut fingerprinting = Fingerprinting::default();
        let mut buffer = vec![0; CHUNK_LEN];
        let mut offset = 0;
        while offset < max {
            let room = usize::try_from(max - offset).map_or(CHUNK_LEN, |left| left.min(CHUNK_LEN));
            let count = content
                .file
                .read_at(&mut buffer[..room], offset)
                .map_err(Error::system("read the file"))?;
            if count == 0 {
                break;
            }
            let bytes = &buffer[..count];
            note(bytes);
            fingerprinting.update(bytes);
            self.write(bytes).await?;
            offset += count as u64;
        }
        if fingerprinting.finish() == content.fingerprint {
            Ok(())
        } else {
            Err(Error::StillWritten(self.document.name.clone()))
        }
    }

    fn check_untouched(&self, content: &Content) -> Result<(), Error> {
        let now = Stat::fresh(&content.file)
            .map_err(|errno| Error::System("look at the file", errno.into()))?;
        if now.state == content.state {
            Ok(())
        } else {
            Err(Error::StillWritten(self.document.name.clone()))
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.to.write_all(bytes).await;
        written.map_err(|error| Error::NotSent(self.document.name.clone(), error))
    }
}
