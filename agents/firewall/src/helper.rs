//! A process beside the agent, at the other end of a socket that keeps messages apart.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

/// Longest message in bytes.
pub(crate) const MAX_MESSAGE_LEN: usize = 16 << 10;

/// The user without rights, whom every system has.
pub(crate) const NOBODY: u32 = 65_534;

/// Starts this program again with `option`, as the user and group `id`: no right of this process
/// gets there (`execve(2)`: a user other than root has no capabilities afterwards).
///
/// The helper ends when this end of the socket is closed. Nobody waits for it: it is no child that
/// matters when the agent ends.
pub(crate) fn start(
    option: &str,
    id: (u32, u32),
    environment: &[(&str, String)],
) -> io::Result<UnixDatagram> {
    // Messages as of a datagram socket, but with an end.
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg(option)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(theirs))
        .current_dir("/")
        .gid(id.1)
        .uid(id.0);
    // Without root's rights there is nobody else to become.
    if !rustix::process::geteuid().is_root() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    command.spawn()?;
    let ours = UnixDatagram::from(ours);
    // The agent waits for nobody.
    ours.set_nonblocking(true)?;
    Ok(ours)
}

/// The helper's end of the socket.
pub(crate) fn of_agent() -> io::Result<UnixDatagram> {
    let socket: OwnedFd = rustix::io::dup(rustix::stdio::stdin())?;
    Ok(UnixDatagram::from(socket))
}
