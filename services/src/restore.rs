//! The service qubes.Restore: a line that says where the archive is, a line that says what is wanted
//! of it; then the stream.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use qfile_proto::Charset;

use crate::command::Writer;
use crate::request::{self, Wanted};
use crate::selection::Selection;
use crate::send::{Order, Sent, send};
use crate::{Error, input};

/// Serves one call, on stdin and stdout.
///
/// # Errors
/// Why there is nothing to restore, or not all of it.
pub fn serve() -> Result<Sent, Error> {
    let place = request::line()?;
    let prefixes = request::line()?;
    let order = |archive| Order {
        archive,
        selection: Selection::new(prefixes.split(|byte| *byte == b' ').map(<[u8]>::to_vec)),
        charset: Charset::Safe,
        is_answered: true,
    };
    match request::wanted(&place, Path::exists)? {
        Wanted::Path(path) => {
            let shown = || path.as_os_str().as_bytes().to_vec();
            let archive = input::open(&path).map_err(|error| Error::Open(shown(), error))?;
            match archive.metadata() {
                Ok(metadata) if metadata.is_dir() => Err(Error::Folder(shown())),
                _ => send(order(archive), |_| Ok(())),
            }
        }
        Wanted::Command(words) => {
            let (mut writer, archive) = Writer::start(words)?;
            let sent = send(order(archive), |receiver| writer.wait(receiver));
            let sent = sent.map_err(|failure| writer.blame(failure));
            writer.end();
            sent
        }
    }
}
