//! Where a picture is read from.

use std::env;
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
}

/// Opens what a line asks for: a regular file, or stdin. The error says why it cannot.
pub(super) fn open(request: &Request) -> Result<Source, String> {
    let path = match request {
        Request::Stdin(format) => {
            return Ok(Source {
                input: None,
                format: *format,
            });
        }
        Request::File(path) => {
            let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
            home.join(path)
        }
        Request::Icon(icon) if Path::new(icon).is_absolute() => icon.into(),
        Request::Icon(icon) => {
            let found = icon_themes::find(icon, ICON_SIZE, &Folders::of_environment());
            found.ok_or("this qube has no such icon")?
        }
    };
    let input = regular(&path).map_err(|error| match request {
        Request::Icon(icon) if Path::new(icon).is_relative() => {
            format!("{}: {error}", text::file(&path))
        }
        _ => error.to_string(),
    })?;
    Ok(Source {
        input: Some(input),
        format: None,
    })
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
