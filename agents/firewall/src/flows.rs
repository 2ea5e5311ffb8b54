//! Cuts the tracked connections that the rules forbid: what is established passes the tables
//! unjudged, so the kernel is made to forget it, and its next packet is judged as a new one.

use std::io;

use firewall::Family;

use crate::kernel::Kernel;
use crate::kernel::conntrack::Connection;

/// `ENOENT`: the connection has ended meanwhile.
const IS_GONE: i32 = libc::ENOENT;

/// Cuts every connection of these families that a qube has opened and `forbids` says so of.
pub(crate) fn cut(
    kernel: &mut Kernel,
    families: &[Family],
    forbids: impl Fn(&Connection) -> bool,
) -> io::Result<()> {
    let mut forbidden = Vec::new();
    for family in families {
        forbidden.extend(kernel.dump(&Connection::all(*family), |entry| {
            Connection::read(*family, entry).filter(&forbids)
        })?);
    }
    for connection in forbidden {
        match kernel.ask(&connection.delete()) {
            Err(error) if error.raw_os_error() == Some(IS_GONE) => {}
            other => other?,
        }
    }
    Ok(())
}
