//! Networks of one test: namespaces joined by veth pairs, and real packets between them.
//!
//! A packet that a firewall rejects is answered by an ICMP message, and one that arrives where
//! nobody listens by another or by a reset. So a probe never waits for nothing to happen.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, ipproto, recv, send,
    socket_with, sockopt,
};

use crate::interrupted::uninterrupted;
use crate::user::am_root;

/// Nobody waits that long when all is well.
const HANGS_AFTER: Duration = Duration::from_secs(30);

/// The test must be root, with `ip` and `nft`, where namespaces and tables can be made.
///
/// # Errors
/// Says what is not so.
pub fn needs_networks() -> Result<(), String> {
    if !am_root() {
        return Err("needs root".to_owned());
    }
    for program in ["ip", "nft"] {
        crate::cannot_run::needs_program(program)?;
    }
    let tried = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| error.to_string())?;
        let nft = Command::new("nft")
            .args(["add", "table", "ip", "x"])
            .output();
        match nft {
            Ok(output) if output.status.success() => Ok(()),
            _ => Err("nft cannot make a table".to_owned()),
        }
    });
    let tried = tried.join().expect("does not panic");
    tried.map_err(|error| format!("needs a network namespace with tables: {error}"))
}

/// A network namespace. It goes with this.
#[derive(Debug)]
pub struct Namespace {
    descriptor: OwnedFd,
    /// A thread in it, by which `ip` finds it.
    thread: u32,
    _until_dropped: Sender<()>,
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Namespace {
    /// A new one, with nothing but `lo`.
    #[must_use]
    pub fn new() -> Self {
        let (made, wait_for_it) = channel();
        let (until_dropped, dropped) = channel();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("root may");
            let descriptor = fs::File::open("/proc/thread-self/ns/net").expect("it is there");
            let thread = rustix::thread::gettid()
                .as_raw_nonzero()
                .get()
                .unsigned_abs();
            made.send((OwnedFd::from(descriptor), thread))
                .expect("it waits");
            let _dropped = dropped.recv();
        });
        let (descriptor, thread) = wait_for_it.recv().expect("it is made");
        let new = Self {
            descriptor,
            thread,
            _until_dropped: until_dropped,
        };
        new.ip("link set lo up");
        new
    }

    /// Runs `body` in it: sockets that it makes, and programs that it starts, belong there.
    pub fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let result = thread::scope(|scope| {
            scope
                .spawn(|| {
                    setns(self.descriptor.as_fd(), CloneFlags::CLONE_NEWNET).expect("root may");
                    body()
                })
                .join()
        });
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs commands of `ip`, one a line.
    pub fn ip(&self, commands: &str) {
        self.feed("ip", &["-batch", "-"], commands);
    }

    /// Runs a program in it with `input` on stdin; its stdout.
    pub fn feed(&self, program: &str, arguments: &[&str], input: &str) -> String {
        self.run(|| {
            let mut child = Command::new(program)
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
            let mut stdin = child.stdin.take().expect("piped");
            stdin.write_all(input.as_bytes()).expect("it reads");
            drop(stdin);
            let output = child.wait_with_output().expect("a child");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{program} {arguments:?}: {said}\n{input}"
            );
            String::from_utf8_lossy(&output.stdout).into_owned()
        })
    }

    /// Sets a variable of `/proc/sys/net`.
    pub fn set(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/net/{name}");
        self.run(|| fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}")));
    }

    /// Joins it to another by a veth pair; what each end is called.
    pub fn join(&self, own: &str, other: &Self, others: &str) {
        self.ip(&format!(
            "link add {own} type veth peer name {others} netns {}\nlink set {own} up",
            other.thread
        ));
        other.ip(&format!("link set {others} up"));
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It came to its destination.
    Passed,
    /// It was rejected: "administratively prohibited".
    Rejected,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The first packet of a connection.
    Tcp(u16),
    /// A datagram.
    Udp(u16),
    /// An echo request.
    Ping,
}

impl Probe {
    /// Sends it from the namespace of this thread.
    #[must_use]
    pub fn to(self, destination: IpAddr) -> Fate {
        let result = match self {
            Self::Tcp(port) => {
                let destination = SocketAddr::new(destination, port);
                TcpStream::connect_timeout(&destination, HANGS_AFTER).map(drop)
            }
            Self::Udp(port) => datagram(SocketAddr::new(destination, port)),
            Self::Ping => ping(destination),
        };
        fate(result).unwrap_or_else(|error| panic!("{self:?} to {destination}: {error}"))
    }
}

/// What an error of a socket says about the fate of its packet.
///
/// # Errors
/// It says something else.
pub fn fate(result: io::Result<()>) -> io::Result<Fate> {
    match result {
        Ok(()) => Ok(Fate::Passed),
        // The destination itself refused.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(Fate::Passed),
        // As ICMP's and ICMPv6's "administratively prohibited" are told to a socket.
        Err(error)
            if matches!(
                Errno::from_io_error(&error),
                Some(Errno::HOSTUNREACH | Errno::ACCESS)
            ) =>
        {
            Ok(Fate::Rejected)
        }
        Err(error) => Err(error),
    }
}

fn datagram(destination: SocketAddr) -> io::Result<()> {
    let any: IpAddr = match destination {
        SocketAddr::V4(_) => [0; 4].into(),
        SocketAddr::V6(_) => [0_u16; 8].into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_read_timeout(Some(HANGS_AFTER))?;
    socket.connect(destination)?;
    socket.send(b"probe")?;
    uninterrupted(|| socket.recv(&mut [0; 16])).map(drop)
}

/// Sends an echo request and waits for what comes back.
///
/// # Errors
/// As the socket says.
pub fn ping(destination: IpAddr) -> io::Result<()> {
    let socket = ping_socket(destination)?;
    ping_again(&socket, destination)
}

/// A socket of the kernel's for echo requests to one destination. They all have the same number, so
/// to the tracking of connections they are one.
///
/// # Errors
/// The system refuses.
pub fn ping_socket(destination: IpAddr) -> io::Result<OwnedFd> {
    let (family, protocol) = match destination {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let socket = socket_with(
        family,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(protocol),
    )?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(HANGS_AFTER))?;
    connect(&socket, &SocketAddr::new(destination, 0))?;
    Ok(socket)
}

/// Sends one more echo request and waits for what comes back.
///
/// # Errors
/// As the socket says.
pub fn ping_again(socket: &OwnedFd, destination: IpAddr) -> io::Result<()> {
    let request = if destination.is_ipv4() { 8 } else { 128 };
    send(socket, &[request, 0, 0, 0, 0, 0, 0, 1], SendFlags::empty())?;
    recv(socket, &mut [0_u8; 64][..], RecvFlags::empty())?;
    Ok(())
}
