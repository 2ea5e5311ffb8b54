//! The system log of this qube, for what its owner should find there later.
//!
//! A service's stderr is read in the *calling* qube, so that is not enough for its own owner.

use std::fmt::Display;
use std::io;
use std::os::unix::net::UnixDatagram;

/// Facility user (1): RFC 5424, 6.2.1.
const USER: u32 = 1 << 3;
const WARNING: u32 = 4;
const INFORMATIONAL: u32 = 6;

/// Writes a line about something that is wrong, `program: text`. A log that is missing or full costs
/// nothing. Names in `text` have passed `text`.
pub fn warn(program: &str, text: impl Display) {
    write(WARNING, program, text);
}

/// Writes a line about something that was done, likewise.
pub fn info(program: &str, text: impl Display) {
    write(INFORMATIONAL, program, text);
}

fn write(severity: u32, program: &str, text: impl Display) {
    let write = || {
        let log = UnixDatagram::unbound()?;
        log.connect("/dev/log")?;
        log.set_nonblocking(true)?;
        log.send(format!("<{}>{program}: {text}", USER | severity).as_bytes())?;
        io::Result::Ok(())
    };
    let _there_is_no_log = write();
}
