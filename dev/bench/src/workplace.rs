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
use nix::unistd::{Uid, User};
use tempfile::TempDir;

use crate::interruption::Interruption;
use crate::measure::this_program;

/// Where a tmpfs is on every Linux with glibc.
const SHARED_MEMORY: &str = "/dev/shm";

/// Where in the work folder the programs are.
const PROGRAM_FOLDER: &str = "bin";

/// `nobody`, whom every machine has.
const ORDINARY: u32 = 65_534;

/// Most memory that files take at a time, source and copy, in MiB: of a whole run and of a quick one.
const NEEDED: (u64, u64) = (5 << 10, 3 << 9);

/// The programs that are measured, and those that measure.
const PROGRAMS: [&str; 17] = [
    "qfile-agent",
    "qfile-unpacker",
    "qvm-copy",
    "qvm-copy-from-device",
    "qvm-copy-to-device",
    "qrexec-loopback",
    "qrexec-ssh",
    "qrexec-ssh-serve",
    "qubesdb-cmd",
    "qubesdb-daemon",
    "qubes-firewall",
    "qubes-vmexec",
    "qubes-app-menus",
    "qubes-image-rgba",
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
    /// Looked for between runs.
    pub(crate) interruption: Interruption,
    _removed_at_the_end: Option<TempDir>,
}

impl Workplace {
    /// Sets up the folder, the user and the programs. Mounts are made before any thread starts.
    pub(crate) fn set_up(quick: bool) -> Result<Self> {
        let interruption = Interruption::hold_back()?;
        let shared_memory = Path::new(SHARED_MEMORY);
        let root = Uid::effective().is_root();
        let mut place = if root && private_tmpfs(shared_memory).is_ok() {
            Self {
                folder: shared_memory.to_owned(),
                ordinary: Some(ORDINARY),
                quick,
                description: "a tmpfs of its own; everything runs as an ordinary user, \
                              and the receiver is set-uid root",
                interruption,
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
                interruption,
                _removed_at_the_end: Some(folder),
            }
        };
        let kind = statfs(&place.folder)?.filesystem_type();
        ensure!(kind == TMPFS_MAGIC, "{SHARED_MEMORY} is no tmpfs");
        place.folder = place.folder.canonicalize()?;
        place.make_sure_of_room()?;
        place.install()?;
        Ok(place)
    }

    /// Without it the kernel would end other programs, or the run would fail halfway.
    fn make_sure_of_room(&self) -> Result<()> {
        let found = statfs(&self.folder)?;
        let block = u64::try_from(found.block_size())?;
        let free = found.blocks_available().saturating_mul(block) >> 20;
        let room = free.min(available_memory()?);
        let needed = self.either(NEEDED.0, NEEDED.1);
        ensure!(
            room >= needed,
            "{needed} MiB of memory for files in {SHARED_MEMORY} are needed, {room} MiB are there{}",
            self.either(": BENCH_QUICK=1 takes less", ""),
        );
        Ok(())
    }

    /// Removes what a topic that failed has left, as far as that is possible.
    pub(crate) fn clear(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name() != PROGRAM_FOLDER) {
            let _what_is_mounted_stays = remove(&entry.path());
        }
    }

    /// A path in the work folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The copy of `name` that every user can start.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.path(PROGRAM_FOLDER).join(name)
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
        mount_passwd(&self.path("passwd"), ORDINARY, home)
    }

    fn install(&self) -> Result<()> {
        let built = this_program()?;
        let built = built.parent().context("a program is in a folder")?;
        let folder = self.path(PROGRAM_FOLDER);
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

/// Mounts the file `passwd` over `/etc/passwd`, as which it is but for the home folder of the user
/// `uid`.
pub(crate) fn mount_passwd(passwd: &Path, uid: u32, home: &Path) -> Result<()> {
    let user = User::from_uid(uid.into())?.context("the user has no password entry")?;
    let own = format!("{}:", user.name);
    let others = fs::read_to_string("/etc/passwd")?;
    let others = others.lines().filter(|line| !line.starts_with(&own));
    let mut text: String = others.map(|line| format!("{line}\n")).collect();
    let group = user.gid;
    text += &format!("{own}x:{uid}:{group}::{}:/bin/sh\n", home.display());
    // The file may be mounted already. Nothing can be mounted over one that was removed.
    fs::write(passwd, text)?;
    let none = None::<&str>;
    mount(Some(passwd), "/etc/passwd", none, MsFlags::MS_BIND, none)
        .context("cannot mount over /etc/passwd")
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
    let kind = statfs(&parent).with_context(|| format!("cannot use {}", parent.display()))?;
    if kind.filesystem_type() == TMPFS_MAGIC {
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
    // The default is half of the memory, and an inode for every other page of it.
    let options = Some("mode=755,size=80%,nr_inodes=4m");
    mount(
        Some("tmpfs"),
        folder,
        Some("tmpfs"),
        MsFlags::empty(),
        options,
    )
}

/// What the kernel says can be had without swapping, in MiB.
fn available_memory() -> Result<u64> {
    let said = fs::read_to_string("/proc/meminfo")?;
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib = kib.context("the kernel does not say how much memory is available")?;
    Ok(kib.parse::<u64>()? >> 10)
}
