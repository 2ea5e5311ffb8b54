//! The request: 256 bytes of name in one write, then the content until its end.

use std::io;
use std::os::unix::fs::FileExt;

use qfile_proto::edit_request;
use qvm_common::channel::Sink;

use crate::original::Original;

/// Bytes that are read and sent at once.
const CHUNK: usize = 128 * 1024;

/// What kept the request from being sent.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The original cannot be read.
    Read(io::Error),
    /// The other qube takes no more.
    Write(io::Error),
}

/// Sends `original` and leaves `to` open: closing it says that this was all.
pub(crate) async fn send(
    original: &Original,
    view_only: bool,
    to: &mut Sink,
) -> Result<(), SendError> {
    let name = original.given_name().as_encoded_bytes();
    to.write_all(&edit_request::to_bytes(name, view_only))
        .await
        .map_err(SendError::Write)?;
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    loop {
        let count = read_at(original, &mut buffer, offset).map_err(SendError::Read)?;
        if count == 0 {
            return Ok(());
        }
        let chunk = &buffer[..count];
        to.write_all(chunk).await.map_err(SendError::Write)?;
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
