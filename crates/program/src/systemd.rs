//! What systemd is told of this program (`sd_notify(3)`).

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The state of a program that does its work from now on.
pub const READY: &str = "READY=1";

/// The variable by which systemd names its socket.
pub const VARIABLE: &str = "NOTIFY_SOCKET";

/// The socket at which systemd waits for the state of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Systemd(OsString);

impl Systemd {
    /// The socket that `NOTIFY_SOCKET` names; `None` if systemd does not wait.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        env::var_os(VARIABLE)
            .filter(|socket| !socket.is_empty())
            .map(Self)
    }

    /// Tells `state`: lines such as [`READY`].
    ///
    /// # Errors
    /// There is no such socket, or it does not take the message.
    pub fn tell(&self, state: &str) -> io::Result<()> {
        let address = match self.0.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(&self.0)?,
        };
        UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 100];
        let len = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    }

    #[test]
    fn the_state_arrives_at_a_socket_with_a_path_and_at_an_abstract_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Systemd(path.into()).tell(READY).unwrap();
        assert_eq!(heard(&socket), "READY=1");

        let name = format!("qfile-test-of-systemd-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Systemd(format!("@{name}").into())
            .tell("RELOADING=1")
            .unwrap();
        assert_eq!(heard(&socket), "RELOADING=1");
    }

    #[test]
    fn a_socket_that_is_missing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Systemd(folder.path().join("notify").into());
        assert!(missing.tell(READY).is_err());
    }
}
