//! Where a picture is read from.

use std::env;
use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use files::{NotOpened, OnLink, open_regular};
use icon_themes::Folders;
use picture::Format;
use rustix::fs::{CWD, FileType, OFlags, stat};

use super::request::Request;

/// The size in pixels for which the menus of dom0 want icons.
const ICON_SIZE: u32 = 512;

/// An open picture.
#[derive(Debug)]
pub(super) struct Source {
    /// It is read from here to the end; `None` if it follows on stdin.
    pub(super) input: Option<OwnedFd>,
    /// The format that it must have.
    pub(super) format: Option<Format>,
    /// The file that the name of an icon stands for.
    pub(super) found: Option<PathBuf>,
}

/// Opens what a line asks for: a regular file, or stdin. The error says why it cannot.
pub(super) fn open(request: &Request) -> Result<Source, String> {
    let mut source = Source {
        input: None,
        format: None,
        found: None,
    };
    let opened = match request {
        Request::Stdin(format) => {
            source.format = *format;
            return Ok(source);
        }
        Request::File(path) => {
            let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
            regular(&home.join(path))
        }
        Request::Icon(icon) if Path::new(icon).is_absolute() => regular(Path::new(icon)),
        Request::Icon(icon) => {
            let found = icon_themes::find(icon, ICON_SIZE, &Folders::of_environment());
            let path = found.ok_or("this qube has no such icon")?;
            let opened = regular(&path);
            source.found = Some(path);
            opened
        }
    };
    match opened {
        Ok(input) => source.input = Some(input),
        Err(error) => return Err(source.about(error)),
    }
    Ok(source)
}

impl Source {
    /// What the decoder says of it. The process that reads that makes it legible.
    pub(super) fn about(&self, why: impl Display) -> String {
        match &self.found {
            Some(path) => format!("{why} ({})", path.display()),
            None => why.to_string(),
        }
    }
}

/// A FIFO or a device is not opened at all, because opening one can have an effect.
fn regular(path: &Path) -> Result<OwnedFd, NotOpened> {
    match FileType::from_raw_mode(stat(path)?.st_mode) {
        FileType::RegularFile => {
            let (file, _) = open_regular(CWD, path, OFlags::RDONLY, OnLink::Follow)?;
            Ok(file.into())
        }
        _ => Err(NotOpened::NotRegular),
    }
}
