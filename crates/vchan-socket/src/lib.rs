//! The link between two QubesDB daemons.
//!
//! On Qubes OS that is a Xen vchan. [`Link`] is what a daemon needs of one, and [`SocketLink`] is its
//! one implementation: a Unix socket, as the socket vchan of Qubes OS has it. It knows no identity of
//! the peer and no encryption: who may open the socket is the peer. It is for tests and for machines
//! without Xen.

mod name;
mod socket;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use name::{DEFAULT_FOLDER, Name, QUBESDB_PORT, environment, number};
pub use socket::{RETRY_EVERY, SocketLink};

/// A stream of bytes to one peer, that may end and come again. No call of it blocks.
pub trait Link {
    /// Is there a peer?
    fn is_connected(&self) -> bool;

    /// What to wait for: with a peer its descriptor, which becomes readable and writable; without
    /// one what becomes readable when a peer may be had, if there is such a thing.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;

    /// How soon to call [`Link::advance`] again without a peer where no descriptor will say it.
    fn retry_after(&self) -> Option<Duration>;

    /// Tries to get a peer; whether there is one now.
    ///
    /// # Errors
    /// Trying again is no use.
    fn advance(&mut self) -> io::Result<bool>;

    /// Reads what is there. 0 bytes: the peer has ended the connection.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if nothing is there; any other one is the end of the
    /// connection, too.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;

    /// Writes what there is room for.
    ///
    /// # Errors
    /// As [`Link::read`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Ends the connection to the peer.
    fn hang_up(&mut self);
}
