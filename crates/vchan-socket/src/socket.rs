//! The link over a Unix socket.
//!
//! No hello, no frames: each direction is a plain stream of bytes. The side that listens has one peer
//! at a time and takes the next one from the same listener, so that nobody who waits is reset.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, chmod};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with,
    bind, connect, listen, recv, send, socket_with,
};

use crate::{Link, Name};

/// How long the side that connects waits before it tries again.
pub const RETRY_EVERY: Duration = Duration::from_millis(50);

/// Longest path of a Unix socket in bytes: `sun_path` of unix(7) without its NUL.
const MAX_SOCKET_PATH_LEN: usize = 107;

/// Who may connect: the user who listens, and root. The C library leaves it to the umask.
const LISTENER_MODE: u32 = 0o600;

const BACKLOG: i32 = 4;

/// One side of the link.
#[derive(Debug)]
pub struct SocketLink {
    side: Side,
    peer: Option<OwnedFd>,
}

#[derive(Debug)]
enum Side {
    Listens(OwnedFd),
    Connects(PathBuf),
}

impl SocketLink {
    /// The side that listens. A file of that name is replaced; it stays at the end.
    ///
    /// # Errors
    /// The name is too long, or the socket cannot be made there.
    pub fn listen(name: &Name) -> io::Result<Self> {
        let path = checked(name.path())?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = new_socket()?;
        bind(&socket, &SocketAddrUnix::new(&path)?)?;
        chmod(&path, Mode::from_raw_mode(LISTENER_MODE))?;
        listen(&socket, BACKLOG)?;
        Ok(Self {
            side: Side::Listens(socket),
            peer: None,
        })
    }

    /// The side that connects, when it is told to [`Link::advance`].
    ///
    /// # Errors
    /// The name is too long.
    pub fn connect(name: &Name) -> io::Result<Self> {
        Ok(Self {
            side: Side::Connects(checked(name.path())?),
            peer: None,
        })
    }

    fn peer(&self) -> io::Result<&OwnedFd> {
        self.peer
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Link for SocketLink {
    fn is_connected(&self) -> bool {
        self.peer.is_some()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match (&self.peer, &self.side) {
            (Some(peer), _) => Some(peer.as_fd()),
            (None, Side::Listens(listener)) => Some(listener.as_fd()),
            (None, Side::Connects(_)) => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match (&self.peer, &self.side) {
            (None, Side::Connects(_)) => Some(RETRY_EVERY),
            _ => None,
        }
    }

    fn advance(&mut self) -> io::Result<bool> {
        if self.peer.is_some() {
            return Ok(true);
        }
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let found = match &self.side {
            Side::Listens(listener) => accept_with(listener, flags),
            Side::Connects(path) => try_to_connect(path),
        };
        match found {
            Ok(peer) => {
                self.peer = Some(peer);
                Ok(true)
            }
            // Nobody there; a file left behind; a full backlog; an interrupted call.
            Err(
                Errno::NOENT | Errno::CONNREFUSED | Errno::AGAIN | Errno::INTR | Errno::CONNABORTED,
            ) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (got, _) = recv(self.peer()?, into, RecvFlags::empty())?;
        Ok(got)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A peer that has gone must not end this process by SIGPIPE, whoever started it.
        Ok(send(self.peer()?, bytes, SendFlags::NOSIGNAL)?)
    }

    fn hang_up(&mut self) {
        self.peer = None;
    }
}

fn new_socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

fn try_to_connect(path: &Path) -> rustix::io::Result<OwnedFd> {
    let socket = new_socket()?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

fn checked(path: PathBuf) -> io::Result<PathBuf> {
    if path.as_os_str().len() > MAX_SOCKET_PATH_LEN {
        let message = format!("the path of a socket has at most {MAX_SOCKET_PATH_LEN} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::QUBESDB_PORT;

    fn name(folder: &Path) -> Name {
        Name {
            folder: folder.to_owned(),
            server: 0,
            client: 5,
            port: QUBESDB_PORT,
        }
    }

    fn joined(folder: &Path) -> (SocketLink, SocketLink) {
        let mut server = SocketLink::listen(&name(folder)).unwrap();
        let mut client = SocketLink::connect(&name(folder)).unwrap();
        assert!(client.advance().unwrap());
        assert!(server.advance().unwrap());
        (server, client)
    }

    #[test]
    fn bytes_go_both_ways_and_nothing_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let (mut server, mut client) = joined(folder.path());
        let mut buffer = [0; 8];
        let nothing = server.read(&mut buffer).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(client.write(b"to dom0").unwrap(), 7);
        assert_eq!(server.read(&mut buffer).unwrap(), 7);
        assert_eq!(server.write(b"back").unwrap(), 4);
        assert_eq!(client.read(&mut buffer).unwrap(), 4);
        let piece = [0; 64 * 1024];
        let full = loop {
            match client.write(&piece) {
                Ok(_) => {}
                Err(error) => break error.kind(),
            }
        };
        assert_eq!(full, io::ErrorKind::WouldBlock);
    }

    #[test]
    fn without_a_server_connecting_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut client = SocketLink::connect(&name(folder.path())).unwrap();
        assert!(!client.advance().unwrap());
        assert_eq!(client.retry_after(), Some(RETRY_EVERY));
        let server = SocketLink::listen(&name(folder.path())).unwrap();
        drop(server);
        // The file is left behind.
        assert!(name(folder.path()).path().exists());
        assert!(!client.advance().unwrap());
    }

    #[test]
    fn an_end_is_seen_and_the_next_peer_is_taken_from_the_same_listener() {
        let folder = tempfile::tempdir().unwrap();
        let (mut server, client) = joined(folder.path());
        let mut next = SocketLink::connect(&name(folder.path())).unwrap();
        assert!(next.advance().unwrap());
        next.write(b"x").unwrap();
        drop(client);
        let mut buffer = [0; 8];
        assert_eq!(server.read(&mut buffer).unwrap(), 0);
        server.hang_up();
        assert!(server.advance().unwrap());
        assert_eq!(server.read(&mut buffer).unwrap(), 1);
    }

    #[test]
    fn what_bears_the_name_is_replaced_but_a_folder_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = name(folder.path()).path();
        std::fs::write(&path, "x").unwrap();
        SocketLink::listen(&name(folder.path())).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        SocketLink::listen(&name(folder.path())).unwrap_err();
        SocketLink::listen(&name(&folder.path().join("none"))).unwrap_err();
    }

    #[test]
    fn a_name_that_would_be_cut_is_refused() {
        let long = Path::new("/").join("x".repeat(100));
        for refused in [
            SocketLink::listen(&name(&long)),
            SocketLink::connect(&name(&long)),
        ] {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
