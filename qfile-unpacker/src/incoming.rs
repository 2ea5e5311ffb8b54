//! The incoming folder, opened as the user, made the working folder.
//!
//! The user's own links on the way there are followed: people keep `QubesIncoming` on a bigger disk.
//! A hostile qube cannot make a link outside its own folder, and with the user's rights nothing can
//! be reached that the user could not reach.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use qfile_proto::QubeName;
use rustix::fs::{mkdirat, openat, Mode, OFlags, CWD};

use crate::error::Error;
use crate::identity::Identity;

/// The folder that holds one folder for each qube that sent something.
const PARENT: &str = "QubesIncoming";

/// The incoming folder, open, and the working folder of this process.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The folder, without the right to read or write it.
    pub(crate) dir: OwnedFd,
    /// Its path, for the owner's eyes.
    pub(crate) path: PathBuf,
    /// This program created it.
    pub(crate) is_new: bool,
}

/// Opens `dir`, or opens and as far as needed creates `~/QubesIncoming/QUBE`.
///
/// # Errors
/// [`Error::RemoteDomain`], and [`Error::Incoming`] with the user's lack of rights.
pub(crate) fn open(
    dir: Option<&Path>,
    identity: &Identity,
    untrusted_remote_domain: Option<&OsStr>,
) -> Result<Incoming, Error> {
    let incoming = match dir {
        Some(path) => Incoming {
            dir: open_folder(CWD, path).map_err(at(path, "open the given folder"))?,
            path: path.to_owned(),
            is_new: false,
        },
        None => {
            let qube = untrusted_remote_domain
                .and_then(|name| QubeName::parse(name.as_bytes()))
                .ok_or(Error::RemoteDomain)?;
            let home = identity
                .home
                .as_deref()
                .ok_or(Error::NoPasswordEntry(identity.uid.as_raw()))?;
            in_home(home, &qube)?
        }
    };
    rustix::process::fchdir(&incoming.dir)
        .map_err(|errno| at(&incoming.path, "enter the incoming folder")(errno.into()))?;
    Ok(incoming)
}

fn in_home(home: &Path, qube: &QubeName) -> Result<Incoming, Error> {
    let mut path = home.to_owned();
    let mut dir = open_folder(CWD, home).map_err(at(home, "open the home folder"))?;
    let mut is_new = false;
    for name in [PARENT, qube.as_str()] {
        path.push(name);
        is_new = match mkdirat(&dir, name, Mode::RWXU) {
            Ok(()) => true,
            Err(rustix::io::Errno::EXIST) => false,
            Err(errno) => return Err(at(&path, "create the incoming folder")(errno.into())),
        };
        dir = open_folder(&dir, name).map_err(at(&path, "open the incoming folder"))?;
    }
    Ok(Incoming { dir, path, is_new })
}

fn open_folder(at: impl std::os::fd::AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(at, path, flags, Mode::empty())?)
}

fn at<'a>(path: &'a Path, what: &'static str) -> impl Fn(io::Error) -> Error + 'a {
    move |error| Error::Incoming(what, path.to_owned(), error)
}
