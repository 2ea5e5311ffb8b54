//! Where and as whom: a tmpfs, an ordinary user, the receiver set-uid.
//!
//! Root gets a tmpfs in a mount namespace of its own, which is gone with the last process however
//! that ends, and everything is copied as the ordinary user by a receiver that is set-uid root, as
//! installed. An ordinary user gets a folder in `/dev/shm` and a receiver without privilege.

use std::env;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::unistd::Uid;
use tempfile::TempDir;

use crate::measure::this_program;

/// Where a tmpfs is on every Linux with glibc.
const SHARED_MEMORY: &str = "/dev/shm";

/// `nobody`, whom every machine has.
const ORDINARY: u32 = 65_534;

/// The programs that are measured, and those that measure.
const PROGRAMS: [&str; 6] = [
    "qfile-agent",
    "qfile-unpacker",
    "qrexec-loopback",
    "tar2qfile",
    "bench",
    "push",
];

/// Where the runs happen.
#[derive(Debug)]
pub(crate) struct Workplace {
    folder: PathBuf,
    ordinary: Option<u32>,
    /// Whether small files are asked for.
    pub(crate) quick: bool,
    /// One line for people.
    pub(crate) description: &'static str,
    _removed_at_the_end: Option<TempDir>,
}

impl Workplace {
    /// Sets up the folder, the user and the programs. Mounts are made before any thread starts.
    pub(crate) fn set_up(quick: bool) -> Result<Self> {
        let shared_memory = Path::new(SHARED_MEMORY);
        let root = Uid::effective().is_root();
        let mut place = if root && private_tmpfs(shared_memory).is_ok() {
            Self {
                folder: shared_memory.to_owned(),
                ordinary: Some(ORDINARY),
                quick,
                description: "a tmpfs of its own; everything runs as an ordinary user, \
                              and the receiver is set-uid root",
                _removed_at_the_end: None,
            }
        } else {
            let folder = tempfile::Builder::new()
                .prefix("qfile-bench-")
                .permissions(Permissions::from_mode(0o755))
                .tempdir_in(shared_memory)
                .with_context(|| format!("{SHARED_MEMORY} is needed"))?;
            Self {
                folder: folder.path().to_owned(),
                ordinary: root.then_some(ORDINARY),
                quick,
                description: match root {
                    true => {
                        "a folder in /dev/shm, since mounting is not possible here; \
                             everything runs as an ordinary user, the receiver without privilege"
                    }
                    false => "a folder in /dev/shm; the receiver runs without privilege",
                },
                _removed_at_the_end: Some(folder),
            }
        };
        let kind = statfs(&place.folder)?.filesystem_type();
        ensure!(kind == TMPFS_MAGIC, "{SHARED_MEMORY} is no tmpfs");
        place.folder = place.folder.canonicalize()?;
        place.install()?;
        Ok(place)
    }

    /// A path in the work folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The copy of `name` that every user can start.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.path("bin").join(name)
    }

    /// The uid for runs, where it is not that of this process.
    pub(crate) fn ordinary_uid(&self) -> Option<u32> {
        self.ordinary
    }

    /// Whether this runs as root with mounts of its own.
    pub(crate) fn may_mount(&self) -> bool {
        self.ordinary.is_some() && self._removed_at_the_end.is_none()
    }

    /// `full`, or `small` for a quick run.
    pub(crate) fn either<T>(&self, full: T, small: T) -> T {
        if self.quick { small } else { full }
    }

    /// Makes `folder` anew, empty, for the user of the runs.
    pub(crate) fn empty(&self, folder: &Path) -> Result<()> {
        remove(folder)?;
        fs::create_dir_all(folder)?;
        self.give(folder)
    }

    /// Gives a file or folder to the user of the runs.
    pub(crate) fn give(&self, path: &Path) -> Result<()> {
        chown(path, self.ordinary, self.ordinary)
            .with_context(|| format!("cannot give {} away", path.display()))
    }

    /// Makes `home` the home folder that the password database names for the user of the runs.
    /// Where this is not possible that user holds no privilege, and `$HOME` counts.
    pub(crate) fn give_home(&self, home: &Path) -> Result<()> {
        if !self.may_mount() {
            return Ok(());
        }
        let passwd = self.path("passwd");
        let entry = format!(
            "nobody:x:{ORDINARY}:{ORDINARY}::{}:/bin/sh\n",
            home.display()
        );
        fs::write(&passwd, entry)?;
        let (flags, none) = (MsFlags::MS_BIND, None::<&str>);
        mount(Some(&passwd), "/etc/passwd", none, flags, none)
            .context("cannot mount over /etc/passwd")
    }

    fn install(&self) -> Result<()> {
        let built = this_program()?;
        let built = built.parent().context("a program is in a folder")?;
        let folder = self.path("bin");
        fs::create_dir_all(&folder)?;
        for name in PROGRAMS {
            let copy = folder.join(name);
            fs::copy(built.join(name), &copy).with_context(|| {
                format!("{name} is not built: run `make bench`, which builds everything")
            })?;
            let set_uid = name == "qfile-unpacker" && self.may_mount();
            let mode = if set_uid { 0o4755 } else { 0o755 };
            fs::set_permissions(&copy, Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

/// Removes a file or folder, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A folder on a disk file system: in `$BENCH_DISK`, else in `/var/tmp`. `Err` says why there is
/// none.
pub(crate) fn disk_folder() -> Result<Result<TempDir, String>> {
    let parent = env::var_os("BENCH_DISK").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
    if statfs(&parent)?.filesystem_type() == TMPFS_MAGIC {
        let parent = parent.display();
        return Ok(Err(format!(
            "{parent} is a tmpfs: name a folder on a disk in BENCH_DISK"
        )));
    }
    tempfile::Builder::new()
        .prefix("qfile-bench-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))
        .map(Ok)
}

fn private_tmpfs(folder: &Path) -> nix::Result<()> {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none)?;
    // A file of holes is longer than what it takes, and half of the memory is the default.
    let options = Some("mode=755,size=64g,nr_inodes=4m");
    mount(
        Some("tmpfs"),
        folder,
        Some("tmpfs"),
        MsFlags::empty(),
        options,
    )
}
