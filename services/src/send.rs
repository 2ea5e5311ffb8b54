//! An archive → a receiver on stdout, whose verdict comes on stdin.

use std::fs::File;

use program::say::say;
use qfile_proto::{Charset, Encoder};
use rustix::io::Errno;
use text::foreign;
use transfer::verdict::{self, REST_TIME};
use transfer::{Output, Receiver, SendError};

use crate::convert::{Converted, LeftOut, convert};
use crate::input::{Flowing, Input, Pipe, Seekable, is_seekable};
use crate::selection::Selection;
use crate::{ArchiveError, Error, Members};

/// What is to be sent of an archive.
#[derive(Debug)]
pub struct Order {
    /// The archive.
    pub archive: File,
    /// What of it is wanted.
    pub selection: Selection,
    /// Which characters names may have.
    pub charset: Charset,
    /// False if stdin is not the receiver's.
    pub is_answered: bool,
}

/// How an archive was sent.
#[derive(Debug)]
pub struct Sent {
    /// What is not in the stream.
    pub left_out: LeftOut,
    /// The beginnings of names that were asked for and that no member had. Empty, if the receiver
    /// had enough before the end.
    pub missing: Vec<Vec<u8>>,
    /// The receiver stopped at its limit.
    pub had_enough: bool,
}

/// Sends what is wanted. When the archive was read to its end, `is_whole` says whether that was all
/// of it: only then the stream is ended.
///
/// # Errors
/// Why it was not sent, or is not confirmed. That the receiver has reached its limit is none: it has
/// had what it wanted.
pub fn send(
    order: Order,
    is_whole: impl FnOnce(&Receiver) -> Result<(), Error>,
) -> Result<Sent, Error> {
    let receiver = match order.is_answered {
        true => Receiver::new(None),
        false => Receiver::unheard(),
    };
    let mut selection = order.selection;
    let file = order.archive;
    let sent = if is_seekable(&file).map_err(ArchiveError::Read)? {
        let members = Members::new(Seekable::new(file));
        stream(members, &mut selection, order.charset, &receiver, is_whole)
    } else {
        let pipe = Pipe {
            file,
            receiver: &receiver,
        };
        let members = Members::new(Flowing::new(pipe));
        stream(members, &mut selection, order.charset, &receiver, is_whole)
    };
    let verdict = match sent {
        Ok((converted, _)) if !order.is_answered => {
            return Ok(Sent::new(converted, &selection));
        }
        Ok((converted, checksum)) => receiver
            .verdict(None)
            .and_then(|verdict| verdict::confirm(verdict, checksum))
            .map(|()| Sent::new(converted, &selection)),
        Err(Error::Sending(SendError::Interrupted)) if order.is_answered => receiver
            .verdict(Some(REST_TIME))
            .and_then(|verdict| Err(verdict::refusal(verdict))),
        Err(other) => return Err(other),
    };
    verdict.or_else(|failure| match failure {
        SendError::Refused(verdict) if verdict.errno() == Some(Errno::DQUOT.raw_os_error()) => {
            Ok(Sent::enough())
        }
        other => Err(other.into()),
    })
}

/// Writes the whole stream; what became of the archive, and the checksum to compare.
fn stream<I: Input>(
    mut members: Members<I>,
    selection: &mut Selection,
    charset: Charset,
    receiver: &Receiver,
    is_whole: impl FnOnce(&Receiver) -> Result<(), Error>,
) -> Result<(Converted, u32), Error> {
    let mut encoder = Encoder::new(Output::new(receiver));
    let converted = convert(&mut members, selection, charset, &mut encoder)?;
    if converted.is_read_to_the_end {
        // Only now the program that wrote the archive can end, if it waits for its reader.
        drop(members);
        is_whole(receiver)?;
    }
    encoder.end().map_err(SendError::from_stream)?;
    Ok((converted, encoder.checksum()))
}

impl Sent {
    fn new(converted: Converted, selection: &Selection) -> Self {
        Self {
            left_out: converted.left_out,
            missing: selection.missing().map(<[u8]>::to_vec).collect(),
            had_enough: false,
        }
    }

    /// Says what is not in the stream.
    pub fn tell(&self, program: &str) {
        if !self.left_out.is_empty() {
            say(format_args!("{program}: {}", self.left_out));
        }
        if self.had_enough {
            say(format_args!(
                "{program}: the receiver accepted no more files: it has reached its limit"
            ));
        }
        for prefix in &self.missing {
            let prefix = foreign(prefix);
            say(format_args!(
                "{program}: nothing in the archive begins with \"{prefix}\""
            ));
        }
    }

    fn enough() -> Self {
        Self {
            left_out: LeftOut::default(),
            missing: Vec::new(),
            had_enough: true,
        }
    }
}
