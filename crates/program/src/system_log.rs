//! The system log of this qube, for what its owner should find there later.
//!
//! A service's stderr is read in the *calling* qube, so that is not enough for its own owner.

use std::fmt::Display;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

/// Where the log takes lines: systemd-journald(8), syslogd(8).
const LOG: &str = "/dev/log";

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

/// Writes such a line, and waits while the log is full, but not longer than `patience`.
///
/// # Errors
/// The line was not written. `NotFound`: there is no log.
pub fn info_within(patience: Duration, program: &str, text: impl Display) -> io::Result<()> {
    let log = open(Path::new(LOG))?;
    send_within(patience, &log, &message(INFORMATIONAL, program, text))
}

fn send_within(patience: Duration, log: &UnixDatagram, message: &str) -> io::Result<()> {
    log.set_write_timeout(Some(patience))?;
    log.send(message.as_bytes()).map(drop)
}

fn write(severity: u32, program: &str, text: impl Display) {
    let write = || {
        let log = open(Path::new(LOG))?;
        log.set_nonblocking(true)?;
        log.send(message(severity, program, text).as_bytes())?;
        io::Result::Ok(())
    };
    let _there_is_no_log = write();
}

fn open(path: &Path) -> io::Result<UnixDatagram> {
    let log = UnixDatagram::unbound()?;
    log.connect(path)?;
    Ok(log)
}

fn message(severity: u32, program: &str, text: impl Display) -> String {
    format!("<{}>{program}: {text}", USER | severity)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;
    use std::thread;

    use rustix::thread::gettid;

    use super::*;

    /// A log into which nothing more goes.
    fn full_log() -> (tempfile::TempDir, UnixDatagram) {
        let folder = tempfile::tempdir().unwrap();
        let log = UnixDatagram::bind(folder.path().join("log")).unwrap();
        let filler = open(&folder.path().join("log")).unwrap();
        filler.set_nonblocking(true).unwrap();
        while filler.send(b"old").is_ok() {}
        (folder, log)
    }

    #[test]
    fn a_line_waits_for_room_in_a_full_log() {
        let (folder, log) = full_log();
        let path = folder.path().join("log");
        let (started, its_id) = mpsc::channel();
        let writer = thread::spawn(move || {
            let opened = open(&path)?;
            started.send(gettid()).unwrap();
            send_within(Duration::from_secs(100), &opened, "new")
        });
        let id = its_id.recv().unwrap().as_raw_nonzero();
        // Until it sleeps, as it does in send(2), or has given up.
        let sleeps = || {
            let stat = fs::read_to_string(format!("/proc/self/task/{id}/stat")).unwrap_or_default();
            stat.rsplit(") ")
                .next()
                .is_some_and(|rest| rest.starts_with('S'))
        };
        while !writer.is_finished() && !sleeps() {
            thread::yield_now();
        }
        let mut line = [0; 10];
        loop {
            let len = log.recv(&mut line).unwrap();
            if &line[..len] == b"new" {
                break;
            }
            assert_eq!(&line[..len], b"old");
            log.set_nonblocking(writer.is_finished()).unwrap();
        }
        writer.join().unwrap().unwrap();
    }

    #[test]
    fn the_wait_has_an_end() {
        let (folder, _log) = full_log();
        let opened = open(&folder.path().join("log")).unwrap();
        let sent = send_within(Duration::from_millis(10), &opened, "new");
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let missing = open(&folder.path().join("missing")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
