//! File systems in user space, mounted for one test: such as people keep their files on.
//!
//! Only [in private mounts](crate::user::in_private_mounts). Each daemon goes to the background when
//! its mount is there, and ends when that is taken away.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, umount2};

use crate::cannot_run::needs_program;
use crate::process::run;
use crate::tree::TempFolder;
use crate::user::{in_private_mounts, install, needs_private_mounts};

/// Where distributions keep the server of sshfs.
const SFTP_SERVERS: [&str; 3] = [
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
];

/// A mount, which ends with it.
#[derive(Debug)]
pub struct Mounted {
    point: PathBuf,
    /// What the mount shows is kept here.
    backing: TempFolder,
}

impl Mounted {
    /// Shows at `point` a folder of the owner of `point` by `bindfs` with `options`.
    ///
    /// # Errors
    /// What `bindfs` says.
    pub fn bindfs(point: &Path, options: &[&str]) -> Result<Self, String> {
        Self::with(point, |backing| {
            let mut command = Command::new("bindfs");
            command.args(options).arg(backing).arg(point);
            vec![command]
        })
    }

    /// The same by `sshfs`, whose server is another process of root's.
    ///
    /// # Errors
    /// What `sshfs` says.
    pub fn sshfs(point: &Path, options: &str) -> Result<Self, String> {
        let server = SFTP_SERVERS.iter().find(|path| Path::new(path).exists());
        let server = server.ok_or("needs sftp-server")?;
        let scripts = TempFolder::new();
        let draft = scripts.path().join("draft");
        fs::write(&draft, format!("#!/bin/sh\nexec {server}\n")).expect("it is ours");
        let script = scripts.path().join("ssh");
        install(&draft, &script, 0o755);
        Self::with(point, |backing| {
            let mut command = Command::new("sshfs");
            command
                .arg(format!("nowhere:{}", backing.display()))
                .arg(point)
                .arg("-o")
                .arg(format!("ssh_command={}", script.display()))
                .arg("-o")
                .arg(options);
            vec![command]
        })
    }

    /// An encrypted folder of `gocryptfs`.
    ///
    /// # Errors
    /// What `gocryptfs` says.
    pub fn gocryptfs(point: &Path) -> Result<Self, String> {
        Self::with(point, |backing| {
            let common = ["-q", "-extpass", "echo", "-extpass", "password"];
            let mut make = Command::new("gocryptfs");
            make.args(common)
                .args(["-init", "-scryptn", "10"])
                .arg(backing);
            let mut mount = Command::new("gocryptfs");
            mount
                .args(common)
                .arg("-allow_other")
                .arg(backing)
                .arg(point);
            vec![make, mount]
        })
    }

    /// A union of folders, here of one, by `mergerfs` with `options`.
    ///
    /// # Errors
    /// What `mergerfs` says.
    pub fn mergerfs(point: &Path, options: &[&str]) -> Result<Self, String> {
        Self::with(point, |backing| {
            let mut command = Command::new("mergerfs");
            command.args(options).arg(backing).arg(point);
            vec![command]
        })
    }

    /// An ext4 of 8 MiB, by `fuse2fs`; it keeps whole seconds only.
    ///
    /// # Errors
    /// What `mkfs.ext4` and `fuse2fs` say.
    pub fn ext4(point: &Path) -> Result<Self, String> {
        let mounted = Self::with(point, |backing| {
            let mut make = Command::new("mkfs.ext4");
            make.arg("-q").arg(image(backing));
            let mut mount = Command::new("fuse2fs");
            mount.arg(backing.join("image")).arg(point);
            vec![make, mount]
        })?;
        fs::remove_dir(point.join("lost+found")).expect("root may");
        Ok(mounted)
    }

    /// An NTFS of 8 MiB, by `ntfs-3g` with `options`.
    ///
    /// # Errors
    /// What `mkntfs` and `ntfs-3g` say.
    pub fn ntfs(point: &Path, options: &str) -> Result<Self, String> {
        Self::with(point, |backing| {
            let image = image(backing);
            let mut make = Command::new("mkntfs");
            make.args(["--fast", "--force", "--quiet"]).arg(&image);
            let mut mount = Command::new("ntfs-3g");
            mount.arg("-o").arg(options).arg(&image).arg(point);
            vec![make, mount]
        })
    }

    fn with(point: &Path, commands: impl FnOnce(&Path) -> Vec<Command>) -> Result<Self, String> {
        let backing = TempFolder::open_to_all();
        let folder = backing.folder("backing");
        let shown_to = fs::metadata(point).expect("it is there");
        chown(&folder, Some(shown_to.uid()), Some(shown_to.gid())).expect("root may");
        for command in commands(&folder) {
            let name = command.get_program().to_string_lossy().into_owned();
            let finished = run(command);
            if !finished.status.success() {
                return Err(failed(&name, &finished.stderr()));
            }
        }
        Ok(Self {
            point: point.to_owned(),
            backing,
        })
    }

    /// Where the daemon keeps what it shows.
    #[must_use]
    pub fn backing(&self) -> PathBuf {
        self.backing.path().join("backing")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A test that has failed already is not to fail again.
        let _ = umount2(&self.point, MntFlags::MNT_DETACH);
    }
}

fn image(folder: &Path) -> PathBuf {
    let path = folder.join("image");
    let image = File::create(&path).expect("it is ours");
    image.set_len(8 << 20).expect("holes take no room");
    path
}

fn failed(program: &str, stderr: &str) -> String {
    let why = stderr.trim().replace('\n', "; ");
    format!("needs to mount with {program}: {why}")
}

/// The test mounts with `program`, as `mount` does it.
///
/// # Errors
/// Says why it cannot.
pub fn needs(program: &str, mount: fn(&Path) -> Result<Mounted, String>) -> Result<(), String> {
    needs_private_mounts()?;
    needs_program(program)?;
    let scratch = TempFolder::new();
    in_private_mounts(|| mount(scratch.path()).map(drop))
}
