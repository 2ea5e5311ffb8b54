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

/// The flag of an answer whose list has changed while it was read: NLM_F_DUMP_INTR.
const INTERRUPTED: u16 = 0x10;

/// How often a list is asked for that changes while it is read.
const MOST_DUMPS: usize = 32;

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
    flags: u16,
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

    /// Asks for a list; `read` makes what is wanted of an entry, which is what follows the head of
    /// its message. A list that changes while it is read is asked for again.
    ///
    /// # Errors
    /// What the kernel says, an answer that is none, or a list that changes each time.
    pub fn dump<T>(
        &mut self,
        request: &Request,
        mut read: impl FnMut(&[u8]) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        for _ in 0..MOST_DUMPS {
            if let Some(list) = self.dump_once(request, &mut read)? {
                return Ok(list);
            }
        }
        Err(io::Error::other("the list changed each time it was read"))
    }

    /// `None`: the list has changed while it was read, so that entries may be missing.
    fn dump_once<T>(
        &mut self,
        request: &Request,
        read: &mut impl FnMut(&[u8]) -> Option<T>,
    ) -> io::Result<Option<Vec<T>>> {
        self.send(&request.0)?;
        let mut list = Vec::new();
        let mut is_whole = true;
        loop {
            let got = self.read(RecvFlags::empty())?;
            for answer in answers(&self.buffer[..got]) {
                is_whole &= answer.flags & INTERRUPTED == 0;
                match answer.kind {
                    DONE => {
                        let error = error_of(answer.body);
                        return match error.raw_os_error() {
                            Some(0) => Ok(is_whole.then_some(list)),
                            _ => Err(error),
                        };
                    }
                    ERROR => return Err(error_of(answer.body)),
                    _ => list.extend(read(answer.body)),
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
        let [l0, l1, l2, l3, k0, k1, f0, f1, n0, n1, n2, n3, ..] = *head;
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let body = bytes.get(HEAD_LEN..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Answer {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            number: u32::from_ne_bytes([n0, n1, n2, n3]),
            body,
        })
    })
}

/// What an answer of the type ERROR or DONE says; number 0 is success.
fn error_of(body: &[u8]) -> io::Error {
    match body.first_chunk::<4>() {
        Some(number) => {
            io::Error::from_raw_os_error(i32::from_ne_bytes(*number).checked_neg().unwrap_or(0))
        }
        None => io::Error::other("a malformed answer of the kernel"),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustix::net::socketpair;

    use super::*;

    /// One message of the kernel: its type, its flags and its body.
    type Message = (u16, u16, &'static [u8]);

    const SUCCESS: &[u8] = &0_i32.to_ne_bytes();
    const ENTRY: u16 = 20;

    fn message((kind, flags, body): Message) -> Vec<u8> {
        let len = u32::try_from(HEAD_LEN + body.len()).unwrap();
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(ANSWERED.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// What a dump makes of the answers to each of its requests.
    ///
    /// The kernel cannot be made to interrupt a dump, so another end of the socket stands in for it.
    fn dumped(answers: Vec<Vec<Message>>) -> io::Result<Vec<Vec<u8>>> {
        let pair = || {
            socketpair(
                AddressFamily::UNIX,
                SocketType::SEQPACKET,
                SocketFlags::CLOEXEC,
                None,
            )
        };
        let (socket, kernel) = pair().unwrap();
        let answering = thread::spawn(move || {
            for answer in answers {
                if recv(&kernel, &mut [0; 100][..], RecvFlags::empty())
                    .unwrap()
                    .0
                    == 0
                {
                    return;
                }
                for message in answer.into_iter().map(message) {
                    send(&kernel, &message, SendFlags::empty()).unwrap();
                }
            }
        });
        let mut socket = Socket {
            socket,
            buffer: vec![0; READ_LEN].into(),
        };
        let request = Request::to_netfilter(1, 0, 0, |_| {});
        let list = socket.dump(&request, |entry| Some(entry.to_vec()));
        drop(socket);
        answering.join().unwrap();
        list
    }

    #[test]
    fn a_list_ends_with_done() {
        let answer = vec![
            (ENTRY, 0, &b"one "[..]),
            (ENTRY, 0, b"two "),
            (DONE, 0, SUCCESS),
        ];
        assert_eq!(dumped(vec![answer]).unwrap(), [b"one ", b"two "]);
    }

    #[test]
    fn an_error_at_the_end_is_an_error() {
        const REFUSED: &[u8] = &(-12_i32).to_ne_bytes();
        for kind in [DONE, ERROR] {
            let answer = vec![(ENTRY, 0, &b"one "[..]), (kind, 0, REFUSED)];
            assert_eq!(dumped(vec![answer]).unwrap_err().raw_os_error(), Some(12));
        }
        // The end of a list always says whether there was an error.
        assert!(dumped(vec![vec![(DONE, 0, b"")]]).is_err());
    }

    #[test]
    fn a_list_that_changes_while_it_is_read_is_read_again() {
        let whole = vec![(ENTRY, 0, &b"new "[..]), (DONE, 0, SUCCESS)];
        // Whichever message says so.
        for flags in [[INTERRUPTED, 0], [0, INTERRUPTED]] {
            let cut = vec![(ENTRY, flags[0], &b"old "[..]), (DONE, flags[1], SUCCESS)];
            let list = dumped(vec![cut.clone(), cut, whole.clone()]);
            assert_eq!(list.unwrap(), [b"new "]);
        }
    }

    #[test]
    fn a_list_that_always_changes_is_an_error() {
        let cut = vec![(DONE, INTERRUPTED, SUCCESS)];
        let error = dumped(vec![cut; MOST_DUMPS]).unwrap_err().to_string();
        assert!(error.contains("changed each time"), "{error}");
    }
}
