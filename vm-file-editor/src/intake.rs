//! The request: 256 bytes of name, then the content of the file until the end of input.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use files::{CHUNK_LEN, State};
use qfile_proto::edit_request::{BadRequest, EditRequest, REQUEST_LEN};
use qrexec::channel::Source;

use crate::changed::{Arrived, Fingerprinting};
use crate::error::Error;

/// A file that is here to be edited, or looked at.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) view_only: bool,
    /// The other qube understands a framed answer.
    pub(crate) wants_frame: bool,
    pub(crate) arrived: Arrived,
}

impl Document {
    /// Receives all of a request into `folder`.
    pub(crate) async fn receive(mut from: Source, folder: &Path) -> Result<Self, Error> {
        let request = receive_name(&mut from).await?;
        let path = folder.join(&request.file_name);
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::system("create the file"))?;
        let fingerprint = receive_content(&mut from, &mut file).await?.finish();
        let mode = if request.view_only { 0o400 } else { 0o600 };
        let metadata = file
            .set_permissions(Permissions::from_mode(mode))
            .and_then(|()| file.metadata())
            .map_err(Error::system("finish the file"))?;
        let state = State::from(&metadata);
        Ok(Self {
            name: request.file_name,
            path,
            view_only: request.view_only,
            wants_frame: request.wants_frame,
            arrived: Arrived { state, fingerprint },
        })
    }

    /// What the file system says of the file now; `None` if it is gone.
    pub(crate) fn state_now(&self) -> Option<State> {
        self.path.symlink_metadata().ok().as_ref().map(State::from)
    }

    /// At a glance, something was done to the file since it arrived.
    pub(crate) fn looks_changed(&self) -> bool {
        self.state_now() != Some(self.arrived.state)
    }

    /// At a glance, somebody has saved something. An opener that only gives the file another mode has
    /// not shown it to anybody yet.
    pub(crate) fn looks_saved(&self) -> bool {
        let now = self.state_now();
        now.is_none_or(|now| !now.is_unwritten_since(&self.arrived.state))
    }
}

async fn receive_name(from: &mut Source) -> Result<EditRequest, Error> {
    let mut untrusted_name = [0; REQUEST_LEN];
    let count = from
        .read_full(&mut untrusted_name)
        .await
        .map_err(Error::system("receive the name"))?;
    if count < REQUEST_LEN {
        return Err(Error::NoRequest);
    }
    EditRequest::parse(&untrusted_name).map_err(|bad| match bad {
        BadRequest::NoFileName => Error::NoFileName,
        BadRequest::BytesBehindName => Error::BytesBehindName,
    })
}

async fn receive_content(from: &mut Source, file: &mut File) -> Result<Fingerprinting, Error> {
    let mut fingerprinting = Fingerprinting::default();
    let mut buffer = vec![0; CHUNK_LEN];
    loop {
        let count = from
            .read(&mut buffer)
            .await
            .map_err(Error::system("receive the file"))?;
        let content = &buffer[..count];
        if content.is_empty() {
            return Ok(fingerprinting);
        }
        file.write_all(content)
            .map_err(Error::system("store the file"))?;
        fingerprinting.update(content);
    }
}
