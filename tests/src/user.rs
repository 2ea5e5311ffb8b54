//! Who runs a program: root, an ordinary user, or an ordinary user with a set-uid program; and
//! mounts that only one test sees.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::process::{geteuid, getuid};

use crate::programs::program;
use crate::tree::TempFolder;

/// The uid and gid of the ordinary user as whom root's tests run programs: `nobody`, whom every
/// machine has.
pub const ORDINARY: u32 = 65_534;

/// Whether the tests run as root.
#[must_use]
pub fn am_root() -> bool {
    geteuid().is_root()
}

/// The uid under which the tests run.
#[must_use]
pub fn my_uid() -> u32 {
    getuid().as_raw()
}

/// The test must run as root, and an ordinary user must be able to reach the temporary folder.
///
/// # Errors
/// Says what is not so.
pub fn needs_root() -> Result<(), String> {
    if !am_root() {
        return Err("needs root".to_owned());
    }
    let temp = std::env::temp_dir();
    let closed = temp.ancestors().find(|folder| {
        fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 == 0)
    });
    match closed {
        Some(folder) => Err(format!(
            "needs a temporary folder that ordinary users can reach, and {} is closed to them",
            folder.display()
        )),
        None => Ok(()),
    }
}

/// The test must run as an ordinary user.
///
/// # Errors
/// Says that it does not.
pub fn needs_ordinary_user() -> Result<(), String> {
    match am_root() {
        true => Err("needs an ordinary user".to_owned()),
        false => Ok(()),
    }
}

/// The test runs programs as an ordinary user, be it its own or the one that root takes.
///
/// # Errors
/// Says what is missing.
pub fn needs_a_user() -> Result<(), String> {
    match am_root() {
        true => needs_root(),
        false => Ok(()),
    }
}

/// The test must be allowed to mount: see [`in_private_mounts`].
///
/// # Errors
/// Says why it is not.
pub fn needs_private_mounts() -> Result<(), String> {
    static ALLOWED: OnceLock<Result<(), String>> = OnceLock::new();
    needs_root()?;
    ALLOWED
        .get_or_init(|| {
            thread::spawn(private_mounts)
                .join()
                .expect("does not panic")
                .map_err(|error| format!("needs to mount, which root may not do here: {error}"))
        })
        .clone()
}

/// The test must be root on a temporary folder whose mount heeds set-uid bits.
///
/// # Errors
/// Says what is not so.
pub fn needs_set_uid() -> Result<(), String> {
    needs_root()?;
    let temp = std::env::temp_dir();
    let flags = statvfs(&temp).map_err(|error| error.to_string())?.f_flag;
    match flags.contains(StatVfsMountFlags::NOSUID) {
        true => Err(format!("needs {} mounted without nosuid", temp.display())),
        false => Ok(()),
    }
}

/// Runs `command` as the ordinary user, without any group or capability.
pub fn as_ordinary(command: &mut Command) {
    command.uid(ORDINARY).gid(ORDINARY);
}

/// Gives a file or folder to the ordinary user.
pub fn give_to_ordinary(path: &Path) {
    chown(path, Some(ORDINARY), Some(ORDINARY)).expect("root may give files away");
}

/// Puts a copy of the program `from` at `to`, with `mode`.
///
/// Another process does the writing: were the copy open for writing here, a program that another
/// test starts at that moment would inherit the descriptor, and the copy could not be executed
/// (`ETXTBSY`).
pub fn install(from: &Path, to: &Path, mode: u32) {
    let done = Command::new("install")
        .arg(format!("--mode={mode:o}"))
        .arg("--")
        .args([from, to])
        .status()
        .is_ok_and(|status| status.success());
    assert!(
        done,
        "cannot install {} at {}",
        from.display(),
        to.display()
    );
}

/// Makes the folders `below` in `from`. Others may not write to any of them, whatever the umask of the
/// tests is: programs would not use the settings in them.
pub fn make_folders(from: &Path, below: impl AsRef<Path>) -> PathBuf {
    let mut folder = from.to_owned();
    for name in below.as_ref() {
        folder.push(name);
        fs::create_dir_all(&folder).expect("the folder is ours");
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("it is ours");
    }
    folder
}

/// Who owns `path`.
#[must_use]
pub fn owner_of(path: &Path) -> u32 {
    fs::symlink_metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .uid()
}

/// Copies of built programs that an ordinary user can reach wherever the build tree is, laid out
/// as installed: all in one folder, the receiver set-uid root if asked for.
#[derive(Debug)]
pub struct Installed {
    folder: TempFolder,
}

impl Installed {
    /// Copies `programs`.
    #[must_use]
    pub fn new(programs: &[&str]) -> Self {
        let folder = TempFolder::open_to_all();
        for name in programs {
            install(&program(name), &folder.path().join(name), 0o755);
        }
        Self { folder }
    }

    /// The folder they are in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The copy of `name`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes the copy of `name` set-uid root.
    #[must_use]
    pub fn set_uid(self, name: &str) -> Self {
        fs::set_permissions(self.program(name), Permissions::from_mode(0o4755)).expect("ours");
        self
    }
}

/// Runs `body` on a thread whose mounts are its own: what it mounts, only it and the programs it
/// starts see, and it is gone when the thread ends, however it ends.
pub fn in_private_mounts<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let result = thread::scope(|scope| {
        scope
            .spawn(|| {
                private_mounts().expect("`needs_private_mounts` has tried it");
                body()
            })
            .join()
    });
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Mounts an empty tmpfs of `size` bytes on `folder`. Only [in private mounts](in_private_mounts).
pub fn mount_tmpfs(folder: &Path, size: u64, more_options: &str) {
    let options = format!("size={size}{more_options}");
    mount(
        Some("tmpfs"),
        folder,
        Some("tmpfs"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .expect("a tmpfs can be mounted");
}

/// Shows what is in `folder`, and lets it be changed: the changes are in `layers`, a folder of another
/// file system. Only [in private mounts](in_private_mounts).
pub fn show_changed(folder: &Path, layers: &Path) {
    let [upper, work] = ["upper", "work"].map(|name| layers.join(name));
    fs::create_dir(&upper).expect("it is ours");
    fs::create_dir(&work).expect("it is ours");
    fs::set_permissions(&upper, Permissions::from_mode(0o755)).expect("it is ours");
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        folder.display(),
        upper.display(),
        work.display()
    );
    mount(
        Some("overlay"),
        folder,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .expect("root may mount in its own mounts");
}

/// Gives `uid` the home folder `home` in the password database. Only [in private
/// mounts](in_private_mounts).
pub fn give_home(uid: u32, home: &Path, scratch: &Path) {
    let entry = format!("someone:x:{uid}:{uid}::{}:/bin/sh\n", home.display());
    let others = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let others = others
        .lines()
        .filter(|line| line.split(':').nth(2) != Some(&uid.to_string()));
    let passwd: String = others.fold(entry, |all, line| all + line + "\n");
    let file = scratch.join("passwd");
    fs::write(&file, passwd).expect("a temporary file can be written");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("it is ours");
    bind(&file, Path::new("/etc/passwd"));
}

/// Shows `from` at `to` too. Only [in private mounts](in_private_mounts).
pub fn bind(from: &Path, to: &Path) {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap_or_else(|error| {
        panic!(
            "cannot bind {} on {}: {error}",
            from.display(),
            to.display()
        )
    });
}

/// Unmounts what this thread sees mounted below `folder`.
pub(crate) fn unmount_below(folder: &Path) {
    let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    for point in points.filter(|point| Path::new(point).starts_with(folder)) {
        // What is busy or someone else's stays, and so does the folder.
        let _ = umount2(point, MntFlags::MNT_DETACH);
    }
}

fn private_mounts() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let flags = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
}
