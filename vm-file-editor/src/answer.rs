//! The answer: the new content of the file, if it has one that can be sent.

use std::fs::File;
use std::os::unix::fs::FileExt;

use qvm_common::channel::Sink;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::changed::Stamp;
use crate::failure::Failure;
use crate::intake::Document;
use crate::scratch::Scratch;

/// Bytes that are sent at once.
const CHUNK: usize = 128 * 1024;

/// Sends the content of `document` if it has changed.
pub(crate) async fn send_if_changed(
    document: &Document,
    scratch: &Scratch,
    to: &mut Sink,
) -> Result<(), Failure> {
    let file = open(document, scratch)?;
    let changed = document.arrived.is_changed_in(&file).await;
    if !changed.map_err(Failure::system("read the file"))? {
        return Ok(());
    }
    send(document, &file, to).await
}

/// Opens what has the name of the document now: an editor may have put a new file there, but must
/// not have put a link.
fn open(document: &Document, scratch: &Scratch) -> Result<File, Failure> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let not_regular = || Failure::NotRegular(document.name.clone());
    let file = match rustix::fs::open(&document.path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => {
            let saved_as = scratch.only_file().ok().flatten();
            return Err(Failure::Gone(document.name.clone(), saved_as));
        }
        Err(Errno::LOOP) => return Err(not_regular()),
        Err(error) => return Err(Failure::System("open the file again", error.into())),
    };
    let metadata = file
        .metadata()
        .map_err(Failure::system("look at the file"))?;
    if metadata.is_file() {
        Ok(file)
    } else {
        Err(not_regular())
    }
}

async fn send(document: &Document, file: &File, to: &mut Sink) -> Result<(), Failure> {
    let look = || file.metadata().map_err(Failure::system("look at the file"));
    let before = look()?;
    if before.len() == 0 {
        return Err(Failure::Emptied(document.name.clone()));
    }
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    loop {
        let count = file
            .read_at(&mut buffer, offset)
            .map_err(Failure::system("read the file"))?;
        if count == 0 {
            break;
        }
        to.write_all(&buffer[..count])
            .await
            .map_err(|error| Failure::NotSent(document.name.clone(), error))?;
        offset += count as u64;
    }
    // Only the status says whether all was sent, so it must be the truth.
    if Stamp::of(&look()?) != Stamp::of(&before) || offset != before.len() {
        return Err(Failure::StillWritten(document.name.clone()));
    }
    Ok(())
}
