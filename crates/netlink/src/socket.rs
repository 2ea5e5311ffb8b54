//! The socket to the kernel.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use crate::message::{ANSWERED, Batch, HEAD_LEN, Request};

/// Most bytes of one batch: an address with 10,000 rules has about 4 MB.
const SEND_BUFFER: usize = 32 << 20;

/// Most bytes of answers that wait. A batch of which everything is wrong has many.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Most bytes that one read gives: what `netlink(7)` advises for dumps.
const READ_LEN: usize = 32 << 10;

// Types of answers (`linux/netlink.h`).
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// The parts of the kernel that have a socket here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Tables and tracked connections.
    Netfilter,
    /// Interfaces, addresses, routes, neighbours (`rtnetlink(7)`).
    Route,
}

/// Length of what stands before the attributes in the entries of netfilter: `struct nfgenmsg`.
pub const NETFILTER_HEAD_LEN: usize = 4;

/// A part of the kernel, in the network namespace of this process.
#[derive(Debug)]
pub struct Socket {
    socket: OwnedFd,
    buffer: Box<[u8]>,
}

/// One message of the kernel.
struct Answer<'a> {
    kind: u16,
    number: u32,
    body: &'a [u8],
}

impl Socket {
    /// Opens a socket to a part of the kernel.
    ///
    /// # Errors
    /// The system refuses; the buffers need CAP_NET_ADMIN.
    pub fn open(part: Part) -> io::Result<Self> {
        let protocol = match part {
            Part::Netfilter => Some(netlink::NETFILTER),
            // The first of the protocols of the family, whose number is 0.
            Part::Route => None,
        };
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        set_socket_send_buffer_size_force(&socket, SEND_BUFFER)?;
        set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)?;
        Ok(Self {
            socket,
            buffer: vec![0; READ_LEN].into(),
        })
    }

    /// Has a batch done: all of it, or, on an error, nothing.
    ///
    /// # Errors
    /// What the kernel says of the first message that it refuses.
    pub fn commit(&mut self, batch: Batch) -> io::Result<()> {
        self.send(&batch.finish())?;
        self.obeyed()
    }

    /// Has one request done that has no other answer.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn ask(&mut self, request: &Request) -> io::Result<()> {
        self.send(&request.0)?;
        self.obeyed()
    }

    /// Asks for a list; `each` gets every entry: what follows the head of its message.
    ///
    /// # Errors
    /// What the kernel says, or an answer that is none.
    pub fn dump(&mut self, request: &Request, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.send(&request.0)?;
        loop {
            let got = self.read(RecvFlags::empty())?;
            for answer in answers(&self.buffer[..got]) {
                match answer.kind {
                    DONE => return Ok(()),
                    ERROR => return Err(error_of(answer.body)),
                    _ => each(answer.body),
                }
            }
        }
    }

    /// The kernel has done everything before `send` returns, so all answers are there.
    fn obeyed(&mut self) -> io::Result<()> {
        let mut first_error = None;
        let mut is_done = false;
        loop {
            let got = match self.read(RecvFlags::DONTWAIT) {
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    first_error.get_or_insert(error);
                    continue;
                }
            };
            for answer in answers(&self.buffer[..got]) {
                let error = error_of(answer.body);
                match error.raw_os_error() {
                    Some(0) => is_done |= answer.number == ANSWERED,
                    _ => drop(first_error.get_or_insert(error)),
                }
            }
        }
        match first_error {
            Some(error) => Err(error),
            None if is_done => Ok(()),
            None => Err(io::Error::other("the kernel did not answer")),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Nothing that an earlier call left is taken for an answer.
        while self.read(RecvFlags::DONTWAIT).is_ok() {}
        send(&self.socket, bytes, SendFlags::empty())?;
        Ok(())
    }

    fn read(&mut self, flags: RecvFlags) -> io::Result<usize> {
        loop {
            match recv(&self.socket, &mut *self.buffer, flags | RecvFlags::TRUNC) {
                Ok((_, len)) if len > self.buffer.len() => {
                    return Err(io::Error::other("an answer of the kernel is too long"));
                }
                Ok((got, _)) => return Ok(got),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

fn answers(mut bytes: &[u8]) -> impl Iterator<Item = Answer<'_>> {
    std::iter::from_fn(move || {
        let (head, _) = bytes.split_first_chunk::<HEAD_LEN>()?;
        let [l0, l1, l2, l3, k0, k1, _, _, n0, n1, n2, n3, ..] = *head;
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let body = bytes.get(HEAD_LEN..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Answer {
            kind: u16::from_ne_bytes([k0, k1]),
            number: u32::from_ne_bytes([n0, n1, n2, n3]),
            body,
        })
    })
}

/// What an answer of the type ERROR says; number 0 is success.
fn error_of(body: &[u8]) -> io::Error {
    match body.first_chunk::<4>() {
        Some(number) => {
            io::Error::from_raw_os_error(i32::from_ne_bytes(*number).checked_neg().unwrap_or(0))
        }
        None => io::Error::other("a malformed answer of the kernel"),
    }
}
