//! Local qubes under a temporary root, joined by `qrexec-loopback`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Finished, run};
use crate::programs::{folder, program};
use crate::tree::TempFolder;
use crate::user::install;

/// The qube that sends.
pub const SOURCE: &str = "work";
/// The qube that receives.
pub const TARGET: &str = "vault";

/// Two local qubes, [`SOURCE`] and [`TARGET`], of which each may call every service of the other.
#[derive(Debug)]
pub struct Qubes {
    root: TempFolder,
}

impl Default for Qubes {
    fn default() -> Self {
        Self::new()
    }
}

impl Qubes {
    /// Two qubes with empty homes.
    #[must_use]
    pub fn new() -> Self {
        let qubes = Self {
            root: TempFolder::open_to_all(),
        };
        for qube in [SOURCE, TARGET] {
            qubes.add(qube);
        }
        qubes.set_policy("* * @anyvm @anyvm allow\n");
        qubes
    }

    /// Adds another qube with an empty home.
    pub fn add(&self, qube: &str) {
        for folder in ["home", "qubes-rpc"] {
            fs::create_dir_all(self.root.path().join(qube).join(folder)).expect("ours");
        }
    }

    /// `$QREXEC_LOOPBACK_ROOT`.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The home folder of a qube.
    #[must_use]
    pub fn home(&self, qube: &str) -> PathBuf {
        self.root.path().join(qube).join("home")
    }

    /// The incoming folder in `target` for what `source` sends.
    #[must_use]
    pub fn incoming(&self, source: &str, target: &str) -> PathBuf {
        self.home(target).join("QubesIncoming").join(source)
    }

    /// Makes `lines` the whole policy.
    pub fn set_policy(&self, lines: &str) {
        let folder = self.root.path().join("policy.d");
        fs::create_dir_all(&folder).expect("ours");
        fs::write(folder.join("30-test.policy"), lines).expect("ours");
    }

    /// Gives `qube` a service of its own, a shell script, in place of the project's.
    pub fn set_service(&self, qube: &str, service: &str, script: &str) {
        let draft = self.root.path().join("draft");
        fs::write(&draft, format!("#!/bin/sh\n{script}\n")).expect("ours");
        let folder = self.root.path().join(qube).join("qubes-rpc");
        install(&draft, &folder.join(service), 0o755);
    }

    /// The built program `name`, to be run in `qube`.
    #[must_use]
    pub fn command(&self, qube: &str, name: &str) -> Command {
        self.command_at(qube, &program(name))
    }

    /// Any program, by its path, to be run in `qube`.
    #[must_use]
    pub fn command_at(&self, qube: &str, path: &Path) -> Command {
        let mut command = Command::new(path);
        command
            .current_dir(self.home(qube))
            .env("HOME", self.home(qube))
            .env("QREXEC_LOOPBACK_ROOT", self.root.path())
            .env("QREXEC_LOOPBACK_QUBE", qube)
            .env("QREXEC_CLIENT_VM", program("qrexec-loopback"))
            .env("QFILE_LIBDIR", folder())
            .env_remove("QREXEC_REMOTE_DOMAIN")
            .env_remove("QREXEC_SERVICE_FULL_NAME")
            .env_remove("PROGRESS_TYPE")
            .env("XDG_STATE_HOME", self.root.path().join(qube).join("state"))
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY");
        command
    }

    /// Runs `qvm-copy-to-vm TARGET ARGUMENTS` in [`SOURCE`].
    pub fn copy<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Finished {
        let mut command = self.command(SOURCE, "qvm-copy-to-vm");
        command.arg(TARGET).args(arguments);
        run(command)
    }
}
