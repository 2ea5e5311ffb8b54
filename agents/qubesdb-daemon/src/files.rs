//! The sockets and the pid file: made at the start, taken away at the end if still this daemon's own.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process;

use ::files::FileId;
use program::failure::Failure;
use qfile_proto::QubeName;
use qubesdb::Address;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};

/// Mode of the folder of the sockets.
const FOLDER_MODE: u32 = 0o775;

/// Mode of the socket that changes nothing: for everybody.
const READ_ONLY_MODE: u32 = 0o666;

/// How many clients may wait to be taken.
const BACKLOG: i32 = 128;

const ADVICE: &str = "set QUBESDB_DIR to a folder that may be written";

/// What is to be made.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The folder of all.
    pub(crate) folder: &'a Path,
    /// In dom0: the qube that is served.
    pub(crate) name: Option<&'a QubeName>,
    /// Mode of the read-write socket.
    pub(crate) read_write_mode: u32,
}

/// What was made.
#[derive(Debug)]
pub(crate) struct Files {
    made: Vec<Made>,
}

#[derive(Debug)]
struct Made {
    path: PathBuf,
    // Another daemon of the same name has put a file of its own there if it differs.
    id: FileId,
}

/// The two sockets, listening.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) read_write: OwnedFd,
    pub(crate) read_only: OwnedFd,
}

/// Makes the sockets, the pid file and, for dom0 itself, links from the short names.
///
/// What bears one of the names is replaced in one step: a daemon that takes the place of another has
/// no moment without a socket.
pub(crate) fn make(plan: &Plan<'_>) -> Result<(Files, Listeners), Failure> {
    let folder = plan.folder;
    make_folder(folder)?;
    let mut files = Files { made: Vec::new() };
    let (address, stem) = match plan.name {
        Some(name) => (Address::of(folder, name), format!("qubesdb.{name}")),
        None => (Address::of_this_qube(folder), "qubesdb".to_owned()),
    };
    let read_write = files.make(address.read_write(), "make the socket", |new| {
        listen_at(new, plan.read_write_mode)
    })?;
    let read_only = files.make(address.read_only(), "make the socket", |new| {
        listen_at(new, READ_ONLY_MODE)
    })?;
    if plan.name.is_some_and(|name| name.as_str() == "dom0") {
        let short = Address::of_this_qube(folder);
        let pairs = [
            (short.read_write(), address.read_write()),
            (short.read_only(), address.read_only()),
        ];
        for (link, target) in pairs {
            let target = target.file_name().unwrap_or_default();
            files.make(link, "make the link", |new| symlink(target, new))?;
        }
    }
    files.make(&folder.join(format!("{stem}.pid")), "write", |new| {
        fs::write(new, format!("{}\n", process::id()))
    })?;
    let listeners = Listeners {
        read_write,
        read_only,
    };
    Ok((files, listeners))
}

impl Files {
    /// Makes something under another name, and gives it its own in one step.
    fn make<T>(
        &mut self,
        path: &Path,
        attempt: &str,
        make: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<T, Failure> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        let made = remove_file(&new).and_then(|()| {
            let made = make(&new)?;
            let id = id(&new)?;
            fs::rename(&new, path)?;
            Ok((made, id))
        });
        let (made, id) = made.map_err(|error| cannot(attempt, path, &error))?;
        self.made.push(Made {
            path: path.to_owned(),
            id,
        });
        Ok(made)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for made in &self.made {
            if id(&made.path).is_ok_and(|id| id == made.id) {
                // There is nobody left to tell.
                let _removed = fs::remove_file(&made.path);
            }
        }
    }
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    match fs::create_dir(folder) {
        Ok(()) => fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| cannot("make the folder", folder, &error))
}

fn cannot(attempted: &str, path: &Path, why: &io::Error) -> Failure {
    let path = text::file(path);
    Failure::new(format_args!("cannot {attempted} {path}"))
        .because(why)
        .advise(ADVICE)
}

fn listen_at(path: &Path, mode: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Before it listens, nobody can connect, whatever the umask is.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn id(path: &Path) -> io::Result<FileId> {
    Ok(FileId::from(&fs::symlink_metadata(path)?))
}
