//! Where a picture is read from.

use std::env;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use files::{NotOpened, OnLink, open_regular};
use icon_themes::Folders;
use picture::Format;
use program::failure::Failure;
use rustix::fs::{CWD, OFlags};
use rustix::stdio::stdin;

use super::args::Work;
use super::request::Request;

/// The size in pixels for which the menus of dom0 want icons.
const ICON_SIZE: u32 = 512;

/// An open picture.
#[derive(Debug)]
pub(super) struct Source {
    /// It is read from here to the end.
    pub(super) input: OwnedFd,
    /// What it is.
    pub(super) work: Work,
    /// The format that it must have.
    pub(super) format: Option<Format>,
    /// What it is called in messages.
    pub(super) name: String,
}

/// Opens what a line asks for: a regular file, or stdin.
pub(super) fn open(request: &Request) -> Result<Source, Failure> {
    let of_file = |path: &Path, work, name: String| {
        regular(path, &name).map(|file| Source {
            input: file.into(),
            work,
            format: None,
            name,
        })
    };
    let name = request.to_string();
    match request {
        Request::Stdin(format) => {
            let input = stdin().as_fd().try_clone_to_owned();
            Ok(Source {
                input: input.map_err(|error| cannot_give(&name).because(error))?,
                work: Work::Picture,
                format: *format,
                name,
            })
        }
        Request::File(path) => {
            let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
            of_file(&home.join(path), Work::Picture, name)
        }
        Request::Icon(icon) if Path::new(icon).is_absolute() => {
            of_file(Path::new(icon), Work::Icon, name)
        }
        Request::Icon(icon) => {
            let found = icon_themes::find(icon, ICON_SIZE, &Folders::of_environment());
            let missing = || cannot_give(&name).because("this qube has no such icon");
            let path = found.ok_or_else(missing)?;
            let name = format!("{name}, which is {}", text::file(&path));
            of_file(&path, Work::Icon, name)
        }
    }
}

/// Why there is no answer begins with this.
pub(super) fn cannot_give(name: &str) -> Failure {
    Failure::new(format_args!("cannot give {name}"))
}

/// A FIFO or a device is not waited for.
fn regular(path: &Path, name: &str) -> Result<File, Failure> {
    match open_regular(CWD, path, OFlags::RDONLY, OnLink::Follow) {
        Ok((file, _)) => Ok(file),
        Err(NotOpened::NotRegular) => Err(cannot_give(name).because("it is not a regular file")),
        Err(NotOpened::System(error)) => Err(cannot_give(name).because(error)),
    }
}
