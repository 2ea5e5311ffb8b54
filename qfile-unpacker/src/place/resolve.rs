//! Looking up paths beneath the incoming folder. `openat2` lets no path leave the incoming folder, follow a link
//! or enter another mount (CVE-2018-15664, CVE-2024-12747). A path that is longer than a system call
//! takes goes in pieces; without `openat2` each component is a piece.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{openat2, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

/// Longest path that a system call takes (`PATH_MAX` counts the NUL).
pub(super) const MAX_PATH: usize = 4095;

/// `openat2` gives up with `EAGAIN` when something was renamed meanwhile. Only the user
/// can go on renaming, so after this many times it is an error.
const MAX_TRIES: u32 = 1000;

pub(super) fn has_openat2(dir: impl AsFd) -> bool {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    !matches!(beneath(dir, b".", flags, Mode::empty()), Err(Errno::NOSYS))
}

/// Opens `path`, in one step that no change of the folders on the way can divert.
pub(super) fn beneath(from: impl AsFd, path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    let mut tries = 0;
    loop {
        match openat2(&from, path, flags, mode, resolve) {
            Err(Errno::AGAIN) if tries < MAX_TRIES => tries += 1,
            result => return result,
        }
    }
}

/// As many whole components as `max_len` bytes hold, at least one, and the rest.
pub(super) fn split_piece(path: &[u8], max_len: usize) -> (&[u8], &[u8]) {
    if path.len() <= max_len {
        return (path, b"");
    }
    let slashes = || {
        path.iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(at, _)| at)
    };
    let cut = slashes()
        .take_while(|at| *at <= max_len)
        .last()
        .or_else(|| slashes().next());
    match cut {
        Some(cut) => (&path[..cut], &path[cut + 1..]),
        None => (path, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_between_components() {
        let split = |path: &'static str, max_len| {
            let (piece, rest) = split_piece(path.as_bytes(), max_len);
            (
                std::str::from_utf8(piece).unwrap(),
                std::str::from_utf8(rest).unwrap(),
            )
        };
        assert_eq!(split("a/b/c", 5), ("a/b/c", ""));
        assert_eq!(split("a/b/c", 4), ("a/b", "c"));
        assert_eq!(split("a/b/c", 3), ("a/b", "c"));
        assert_eq!(split("a/b/c", 2), ("a", "b/c"));
        assert_eq!(split("a/b/c", 0), ("a", "b/c"));
        assert_eq!(split("abc", 0), ("abc", ""));
        assert_eq!(split("abc/d", 2), ("abc", "d"));
    }
}
