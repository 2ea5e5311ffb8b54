//! The request: 256 bytes of name in one write, then the content until its end.

use std::io;
use std::os::unix::fs::FileExt;

use files::CHUNK_LEN;
use qfile_proto::{edit_answer, edit_request};
use qrexec::channel::Sink;

use crate::answer_error::AnswerError;
use crate::original::Original;

/// A framed answer may be asked for. Of a file that contains the mark with which one begins nobody
/// could tell a frame from an answer without one, which brings the file back. Nothing comes back of a
/// file that is only looked at.
pub(crate) async fn may_ask_for_frame(original: &Original, view_only: bool) -> io::Result<bool> {
    Ok(view_only || !contains_mark(original).await?)
}

async fn contains_mark(original: &Original) -> io::Result<bool> {
    let mut buffer = vec![0; CHUNK_LEN];
    // The end of what was read before, in which the mark may begin.
    let mut kept = 0;
    let mut offset = 0;
    loop {
        let count = read_at(original, &mut buffer[kept..], offset)?;
        if count == 0 {
            return Ok(false);
        }
        let have = kept + count;
        if edit_answer::find_mark(&buffer[..have]).is_some() {
            return Ok(true);
        }
        offset += count as u64;
        kept = have.min(edit_answer::MARK.len() - 1);
        buffer.copy_within(have - kept..have, 0);
        // Gigabytes take a while, in which signals are heard.
        tokio::task::yield_now().await;
    }
}

/// Sends `original` and leaves `to` open: closing it says that this was all.
pub(crate) async fn send(
    original: &Original,
    view_only: bool,
    asks_for_frame: bool,
    to: &mut Sink,
) -> Result<(), AnswerError> {
    let name = original.given_name().as_encoded_bytes();
    let not_taken = |error| AnswerError::NotTaken(Some(error));
    to.write_all(&edit_request::to_bytes(name, view_only, asks_for_frame))
        .await
        .map_err(not_taken)?;
    let mut buffer = vec![0; CHUNK_LEN];
    let mut offset = 0;
    loop {
        let count = read_at(original, &mut buffer, offset).map_err(AnswerError::NotRead)?;
        if count == 0 {
            return Ok(());
        }
        let chunk = &buffer[..count];
        to.write_all(chunk).await.map_err(not_taken)?;
        offset += chunk.len() as u64;
    }
}

fn read_at(original: &Original, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match original.file().read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
