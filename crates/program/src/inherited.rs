//! Descriptors that were inherited and are known by their number only: `--result-fd N`,
//! `SAVED_FD_1=N`.
//!
//! `pidfd_getfd(2)` on oneself gives an owned duplicate of the same open file. Opening
//! `/proc/self/fd/N` instead would fail on sockets and start files again at offset 0.

use std::io;
use std::os::fd::{OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// An owned duplicate of the inherited descriptor `number`, close-on-exec.
///
/// The descriptor `number` itself stays open until the program ends: whoever waits for end of
/// input on the other end of it waits for that, and children that are started inherit it.
///
/// # Errors
/// `EBADF` if no such descriptor is open; `EPERM` where a sandbox forbids the call.
pub fn take(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    let this_process = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(this_process, number, PidfdGetfdFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn what_is_taken_is_the_same_open_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"first ").unwrap();
        let mut taken = File::from(take(file.as_raw_fd()).unwrap());
        taken.write_all(b"second").unwrap();
        drop(taken);
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).unwrap();
        let mut content = String::new();
        file.read_to_string(&mut content).unwrap();
        assert_eq!(content, "first second");
    }

    #[test]
    fn a_socket_can_be_taken_too() {
        let (mut near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut taken = File::from(take(far.as_raw_fd()).unwrap());
        taken.write_all(b"x").unwrap();
        let mut byte = [0];
        near.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn a_number_that_is_not_open_is_an_error() {
        for number in [-1, 1_000_000] {
            let error = take(number).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(9), "{number}: {error}");
        }
    }
}
