//! Which file it is, whether it has changed, and what else the system knows of it.
//!
//! fstat(2) may answer with what the kernel keeps: of a file of FUSE or NFS that can be seconds old,
//! and older than what another name of the same file tells. statx(2) can ask the file system itself.

use std::fs::Metadata;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{AtFlags, FileType, StatxFlags, fstat, makedev, statat, statx};
use rustix::io::Errno;
use rustix::path::Arg;

/// Which file it is, under whatever name, for as long as it exists: a number is given again to
/// another file when nobody has the old one open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// `st_dev`: the file system that it is on.
    pub device: u64,
    /// `st_ino`: its number there.
    pub inode: u64,
}

/// What tells that a file has changed: two that are equal are the same file in the same state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Which file it is.
    pub id: FileId,
    /// `st_mode`: type and permission bits.
    pub mode: u32,
    /// Length of its content in bytes; of a link, of its target.
    pub size: u64,
    /// Time of last modification.
    pub mtime: Time,
    /// Time of last change of state. A rename is such a change.
    pub ctime: Time,
}

/// What the system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What tells that it has changed.
    pub state: State,
    /// How many names it has.
    pub links: u64,
    /// User and group that it belongs to.
    pub owner: (u32, u32),
    /// Bytes that are allocated for it; fewer than its size where it has holes or is compressed.
    pub allocated: u64,
    /// Time of last access.
    pub atime: Time,
}

/// A point in time as the system gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Seconds since 1970-01-01 00:00:00 UTC; negative before.
    pub seconds: i64,
    /// Nanoseconds to add, 0..=999_999_999.
    pub nanoseconds: u32,
}

impl State {
    /// That of nothing.
    pub const NONE: Self = Self {
        id: FileId {
            device: 0,
            inode: 0,
        },
        mode: 0,
        size: 0,
        mtime: Time::EPOCH,
        ctime: Time::EPOCH,
    };

    /// File, folder, link and so on.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    /// True if it is that of a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.file_type() == FileType::Directory
    }

    /// True if both are the same file, whatever its state.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// The same file, not written to in between; its mode and the like may have changed.
    #[must_use]
    pub fn is_unwritten_since(&self, earlier: &Self) -> bool {
        let Self { mode, ctime, .. } = *earlier;
        Self {
            mode,
            ctime,
            ..*self
        } == *earlier
    }

    /// The same file in the same state, as far as a rename in between leaves it to be seen.
    #[must_use]
    pub fn is_same_but_renamed(&self, earlier: &Self) -> bool {
        let Self { ctime, .. } = *earlier;
        Self { ctime, ..*self } == *earlier
    }
}

impl Stat {
    /// That of the open `file`, as its file system has it now.
    ///
    /// # Errors
    /// Those of statx(2).
    pub fn fresh(file: impl AsFd) -> Result<Self, Errno> {
        match ask(&file, c"", AtFlags::EMPTY_PATH) {
            Err(errno) if is_missing(errno) => fstat(file).map(Self::from),
            other => other,
        }
    }

    /// That of what stands under `name` in `folder`; `flags` as statx(2) takes them.
    ///
    /// # Errors
    /// Those of statx(2).
    pub fn fresh_at(
        folder: impl AsFd,
        name: impl Arg + Copy,
        flags: AtFlags,
    ) -> Result<Self, Errno> {
        match ask(&folder, name, flags) {
            Err(errno) if is_missing(errno) => statat(folder, name, flags).map(Self::from),
            other => other,
        }
    }

    /// As [`State::is_same_but_renamed`], and its names are as many and its owner is the same: the
    /// time that would tell it is the one that a rename changes.
    #[must_use]
    pub fn is_same_but_renamed(&self, earlier: &Self) -> bool {
        self.state.is_same_but_renamed(&earlier.state)
            && (self.links, self.owner) == (earlier.links, earlier.owner)
    }
}

impl Time {
    const EPOCH: Self = Self {
        seconds: 0,
        nanoseconds: 0,
    };

    /// `nanoseconds` comes in a type of each interface's own, and always in range.
    fn new(seconds: i64, nanoseconds: impl TryInto<u32>) -> Self {
        Self {
            seconds,
            nanoseconds: nanoseconds.try_into().unwrap_or(0),
        }
    }
}

impl From<&rustix::fs::Stat> for FileId {
    fn from(stat: &rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

impl From<rustix::fs::Stat> for Stat {
    fn from(stat: rustix::fs::Stat) -> Self {
        Self {
            state: State {
                id: FileId::from(&stat),
                mode: stat.st_mode,
                size: u64::try_from(stat.st_size).unwrap_or(0),
                mtime: Time::new(stat.st_mtime, stat.st_mtime_nsec),
                ctime: Time::new(stat.st_ctime, stat.st_ctime_nsec),
            },
            #[allow(
                clippy::useless_conversion,
                reason = "it has 32 bits on some architectures"
            )]
            links: stat.st_nlink.into(),
            owner: (stat.st_uid, stat.st_gid),
            allocated: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
            atime: Time::new(stat.st_atime, stat.st_atime_nsec),
        }
    }
}

impl From<&Metadata> for Stat {
    fn from(metadata: &Metadata) -> Self {
        Self {
            state: State {
                id: FileId::from(metadata),
                mode: metadata.mode(),
                size: metadata.size(),
                mtime: Time::new(metadata.mtime(), metadata.mtime_nsec()),
                ctime: Time::new(metadata.ctime(), metadata.ctime_nsec()),
            },
            links: metadata.nlink(),
            owner: (metadata.uid(), metadata.gid()),
            allocated: metadata.blocks().saturating_mul(512),
            atime: Time::new(metadata.atime(), metadata.atime_nsec()),
        }
    }
}

impl From<rustix::fs::Stat> for State {
    fn from(stat: rustix::fs::Stat) -> Self {
        Stat::from(stat).state
    }
}

impl From<&Metadata> for State {
    fn from(metadata: &Metadata) -> Self {
        Stat::from(metadata).state
    }
}

fn ask(folder: impl AsFd, name: impl Arg, flags: AtFlags) -> Result<Stat, Errno> {
    let flags = flags | AtFlags::STATX_FORCE_SYNC;
    let found = statx(folder, name, flags, StatxFlags::BASIC_STATS)?;
    Ok(Stat {
        state: State {
            id: FileId {
                device: makedev(found.stx_dev_major, found.stx_dev_minor),
                inode: found.stx_ino,
            },
            mode: found.stx_mode.into(),
            size: found.stx_size,
            mtime: Time::new(found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
            ctime: Time::new(found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec),
        },
        links: found.stx_nlink.into(),
        owner: (found.stx_uid, found.stx_gid),
        allocated: found.stx_blocks.saturating_mul(512),
        atime: Time::new(found.stx_atime.tv_sec, found.stx_atime.tv_nsec),
    })
}

/// True if the kernel has no statx(2) (Linux 4.11), or what filters system calls does not know it.
fn is_missing(errno: Errno) -> bool {
    matches!(errno, Errno::NOSYS | Errno::PERM)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;
    use std::time::{Duration, UNIX_EPOCH};

    use rustix::fs::CWD;

    use super::*;

    fn stat_of(path: &Path) -> Stat {
        Stat::fresh_at(CWD, path, AtFlags::SYMLINK_NOFOLLOW).unwrap()
    }

    #[test]
    fn every_way_to_ask_tells_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letter");
        fs::write(&path, "text").unwrap();
        let file = File::options().append(true).open(&path).unwrap();
        // Before 1970, and with a fraction.
        let mtime = UNIX_EPOCH - Duration::from_millis(250);
        file.set_modified(mtime).unwrap();
        symlink("letter", folder.path().join("link")).unwrap();
        let opened = File::open(folder.path()).unwrap();
        assert_eq!(
            Stat::fresh(&opened).unwrap(),
            fstat(&opened).unwrap().into()
        );
        for (name, flags) in [
            ("letter", AtFlags::empty()),
            ("link", AtFlags::empty()),
            ("link", AtFlags::SYMLINK_NOFOLLOW),
        ] {
            let fresh = Stat::fresh_at(&opened, name, flags).unwrap();
            let kept = statat(&opened, name, flags).unwrap();
            assert_eq!(fresh, kept.into(), "{name}");
        }
        let fresh = stat_of(&path);
        assert_eq!(fresh, Stat::from(&file.metadata().unwrap()));
        let expected = Time {
            seconds: -1,
            nanoseconds: 750_000_000,
        };
        assert_eq!(fresh.state.mtime, expected);
        let missing = Stat::fresh_at(&opened, "missing", AtFlags::empty());
        assert_eq!(missing, Err(Errno::NOENT));
    }

    #[test]
    fn all_names_of_a_file_are_the_same_file_and_a_link_to_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("one"), "text").unwrap();
        fs::hard_link(path("one"), path("other")).unwrap();
        symlink("one", path("link")).unwrap();
        fs::copy(path("one"), path("copy")).unwrap();
        let one = stat_of(&path("one"));
        assert_eq!(one.links, 2);
        assert!(one.state.is_same_file(&stat_of(&path("other")).state));
        for other in ["link", "copy"] {
            assert!(
                !one.state.is_same_file(&stat_of(&path(other)).state),
                "{other}"
            );
        }
    }

    #[test]
    fn what_was_done_to_a_file_shows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letter");
        let renamed = folder.path().join("renamed");
        /// Unwritten, same but renamed.
        type Expected = (bool, bool);
        type Change = fn(&Path, &Path);
        let changes: [(&str, Change, Expected); 6] = [
            ("nothing", |_, _| {}, (true, true)),
            (
                "renamed",
                |path, other| {
                    fs::rename(path, other).unwrap();
                    fs::rename(other, path).unwrap();
                },
                (true, true),
            ),
            (
                "another mode",
                |path, _| fs::set_permissions(path, Permissions::from_mode(0o400)).unwrap(),
                (true, false),
            ),
            (
                "another name",
                |path, other| fs::hard_link(path, other).unwrap(),
                (true, false),
            ),
            (
                "longer",
                |path, _| fs::write(path, "longer text").unwrap(),
                (false, false),
            ),
            (
                "replaced",
                |path, other| {
                    fs::copy(path, other).unwrap();
                    fs::rename(other, path).unwrap();
                },
                (false, false),
            ),
        ];
        for (change, make, expected) in changes {
            for name in [&path, &renamed] {
                let _fresh = fs::remove_file(name);
            }
            fs::write(&path, "text").unwrap();
            let before = stat_of(&path);
            assert_eq!(before.state, stat_of(&path).state);
            make(&path, &renamed);
            let now = stat_of(&path);
            let unwritten = now.state.is_unwritten_since(&before.state);
            let found = (unwritten, now.is_same_but_renamed(&before));
            assert_eq!(found, expected, "{change}");
        }
    }

    #[test]
    fn any_field_of_a_state_counts() {
        let folder = tempfile::tempdir().unwrap();
        let state = stat_of(folder.path()).state;
        let later = |time: Time| Time {
            nanoseconds: time.nanoseconds ^ 1,
            ..time
        };
        let id = |device: u64, inode: u64| FileId {
            device: state.id.device ^ device,
            inode: state.id.inode ^ inode,
        };
        let changes = [
            State {
                id: id(1, 0),
                ..state
            },
            State {
                id: id(0, 1),
                ..state
            },
            State {
                mode: state.mode ^ 1,
                ..state
            },
            State {
                size: state.size ^ 1,
                ..state
            },
            State {
                mtime: later(state.mtime),
                ..state
            },
            State {
                ctime: later(state.ctime),
                ..state
            },
        ];
        for changed in changes {
            assert_ne!(changed, state);
        }
        let unwritten = changes.map(|changed| changed.is_unwritten_since(&state));
        assert_eq!(unwritten, [false, false, true, false, false, true]);
        let renamed = changes.map(|changed| changed.is_same_but_renamed(&state));
        assert_eq!(renamed, [false, false, false, false, false, true]);
    }
}
