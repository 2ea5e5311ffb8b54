//! The order of calls. Each of them is a program of its own, and waits for the X server as long as it has
//! to, so that an earlier one could come last.
//!
//! The server remembers for which call its monitors were set last: when the lines of that call had
//! arrived. It does so in a property of the root window, which ends with the server.

use x11rb::errors::ReplyError;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, PropMode};
use x11rb::wrapper::ConnectionExt as _;

use super::state::Screen;
use crate::arrival::SinceBoot;

/// The property: nanoseconds since the machine was started, the high 32 bits first.
const PROPERTY: &[u8] = b"_QFILE_MONITOR_LAYOUT";

/// Takes note of a call. False if a later one was here. The server has to be grabbed.
pub(crate) fn is_latest(screen: &Screen<'_>, called: SinceBoot) -> Result<bool, ReplyError> {
    let (connection, root) = (screen.connection, screen.root);
    let property = connection.intern_atom(false, PROPERTY)?.reply()?.atom;
    let noted = connection
        .get_property(false, root, property, AtomEnum::CARDINAL, 0, 2)?
        .reply()?;
    let noted: Vec<u32> = noted.value32().into_iter().flatten().collect();
    if is_later(&noted, called, SinceBoot::now()) {
        return Ok(false);
    }
    let elements = elements(called);
    connection
        .change_property32(
            PropMode::REPLACE,
            root,
            property,
            AtomEnum::CARDINAL,
            &elements,
        )?
        .check()?;
    Ok(true)
}

/// What lies in the future was not written by this program, and does not count.
fn is_later(noted: &[u32], called: SinceBoot, now: SinceBoot) -> bool {
    let [high, low] = noted[..] else { return false };
    let noted = u64::from(high) << 32 | u64::from(low);
    called.nanoseconds() < noted && noted <= now.nanoseconds()
}

fn elements(called: SinceBoot) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = called.nanoseconds().to_be_bytes();
    [[a, b, c, d], [e, f, g, h]].map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_a_call_that_was_made_later_counts() {
        let at = |seconds| SinceBoot::at(Duration::from_secs(seconds));
        let noted = elements(at(1000));
        assert!(is_later(&noted, at(999), at(1001)));
        assert!(is_later(&noted, at(999), at(1000)));
        assert!(!is_later(&noted, at(1000), at(1001)));
        assert!(!is_later(&noted, at(1001), at(1002)));
        assert!(!is_later(&noted, at(998), at(999)));
        for other in [&[][..], &[7], &[0, 0], &[u32::MAX, u32::MAX], &[1, 2, 3]] {
            assert!(!is_later(other, at(999), at(1001)), "{other:?}");
        }
    }
}
