//! Opening a regular file, and nothing else, whoever may have put something else under its name.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{FileType, Mode, OFlags, openat};
use rustix::io::{Errno, retry_on_intr};
use rustix::path::Arg;

use crate::state::Stat;

/// What becomes of a link under the name that is opened. Links in the folders before it are always
/// followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLink {
    /// It is refused.
    Refuse,
    /// What it points to is opened.
    Follow,
}

/// Why nothing was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// What stands there is no regular file: a folder, a FIFO, a socket, a device, or a link that
    /// was to be refused.
    NotRegular,
    /// The system refused.
    System(Errno),
}

/// Opens the regular file `path`, which begins in `folder` if it is relative; `access` is
/// `O_RDONLY`, `O_WRONLY` or `O_RDWR`. Its state is that of the open file.
///
/// It never waits for the other end of a FIFO. A file that another program holds a lease on is
/// waited for until the lease is given back (fcntl(2), `F_SETLEASE`). A device is closed again: where
/// opening one must have no effect at all, look at the name first.
///
/// # Errors
/// [`NotOpened`].
pub fn open_regular(
    folder: impl AsFd,
    path: impl Arg + Copy,
    access: OFlags,
    on_link: OnLink,
) -> Result<(File, Stat), NotOpened> {
    let no_follow = match on_link {
        OnLink::Refuse => OFlags::NOFOLLOW,
        OnLink::Follow => OFlags::empty(),
    };
    // NOCTTY: a terminal must not become the one that this process is controlled by.
    let flags = access | no_follow | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = |flags| retry_on_intr(|| openat(&folder, path, flags, Mode::empty()));
    let opened = match open(flags | OFlags::NONBLOCK) {
        // Only a regular file that another program holds a lease on answers so.
        Err(Errno::AGAIN) => open(flags),
        other => other,
    };
    let file = opened.map_err(|errno| match errno {
        Errno::LOOP if on_link == OnLink::Refuse => NotOpened::NotRegular,
        // A socket, a FIFO that nobody reads, a device without a driver; a folder to be written.
        Errno::NXIO | Errno::ISDIR => NotOpened::NotRegular,
        other => NotOpened::System(other),
    })?;
    let stat = Stat::fresh(&file)?;
    match stat.state.file_type() {
        FileType::RegularFile => Ok((file.into(), stat)),
        _ => Err(NotOpened::NotRegular),
    }
}

impl From<Errno> for NotOpened {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl From<NotOpened> for io::Error {
    fn from(error: NotOpened) -> Self {
        match error {
            NotOpened::NotRegular => Self::new(io::ErrorKind::InvalidInput, error),
            NotOpened::System(errno) => errno.into(),
        }
    }
}

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRegular => f.write_str("it is not a regular file"),
            Self::System(errno) => errno.fmt(f),
        }
    }
}

impl std::error::Error for NotOpened {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, fcntl_getfl, mknodat};
    use rustix::io::{FdFlags, fcntl_getfd};

    use super::*;

    const ACCESSES: [OFlags; 3] = [OFlags::RDONLY, OFlags::WRONLY, OFlags::RDWR];

    #[test]
    fn a_regular_file_is_opened_with_the_state_that_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letter");
        fs::write(&path, "text").unwrap();
        let opened = File::open(folder.path()).unwrap();
        let (mut file, stat) =
            open_regular(&opened, "letter", OFlags::RDONLY, OnLink::Refuse).unwrap();
        let mut content = String::new();
        file.read_to_string(&mut content).unwrap();
        assert_eq!(content, "text");
        assert_eq!(stat.state, Stat::from(&file.metadata().unwrap()).state);
        assert!(fcntl_getfd(&file).unwrap().contains(FdFlags::CLOEXEC));
        for access in ACCESSES {
            let (file, _) = open_regular(CWD, &path, access, OnLink::Refuse).unwrap();
            assert_eq!(fcntl_getfl(&file).unwrap() & OFlags::RWMODE, access);
        }
    }

    #[test]
    fn nothing_else_is_opened_and_a_fifo_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let _listener = UnixListener::bind(path("socket")).unwrap();
        let others = [
            path("folder"),
            path("fifo"),
            path("socket"),
            "/dev/null".into(),
        ];
        for other in &others {
            for access in ACCESSES {
                for on_link in [OnLink::Refuse, OnLink::Follow] {
                    let opened = open_regular(CWD, other, access, on_link);
                    assert_eq!(opened.unwrap_err(), NotOpened::NotRegular, "{other:?}");
                }
            }
        }
        let missing = open_regular(CWD, &path("missing"), OFlags::RDONLY, OnLink::Refuse);
        assert_eq!(missing.unwrap_err(), NotOpened::System(Errno::NOENT));
    }

    #[test]
    fn a_link_that_was_swapped_in_is_refused_unless_links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("letter"), folder.path().join("target"));
        for name in [&path, &target] {
            fs::write(name, "text").unwrap();
        }
        let seen = fs::symlink_metadata(&path).unwrap();
        assert!(seen.is_file());
        fs::remove_file(&path).unwrap();
        symlink("target", &path).unwrap();
        let refused = open_regular(CWD, &path, OFlags::RDONLY, OnLink::Refuse);
        assert_eq!(refused.unwrap_err(), NotOpened::NotRegular);
        let (_, stat) = open_regular(CWD, &path, OFlags::RDONLY, OnLink::Follow).unwrap();
        assert_eq!(stat, Stat::from(&fs::metadata(&target).unwrap()));
        symlink("/dev/null", folder.path().join("device")).unwrap();
        let device = folder.path().join("device");
        let followed = open_regular(CWD, &device, OFlags::RDONLY, OnLink::Follow);
        assert_eq!(followed.unwrap_err(), NotOpened::NotRegular);
    }
}
