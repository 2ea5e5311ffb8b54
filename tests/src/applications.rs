//! Desktop files of a user and of a system, the programs that they start, and what starts them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Finished, run};
use crate::programs::program;
use crate::tree::TempFolder;
use crate::user::install;

/// Two folders of desktop files, `user` before `system`, a home folder, and programs in `PATH`.
#[derive(Debug, Default)]
pub struct Applications {
    top: TempFolder,
}

impl Applications {
    /// Empty ones.
    #[must_use]
    pub fn new() -> Self {
        let applications = Self::default();
        for folder in [
            "home",
            "bin",
            "qubesdb",
            "user/applications",
            "system/applications",
        ] {
            fs::create_dir_all(applications.path(folder)).expect("ours");
        }
        applications
    }

    /// A path in the folder of all this.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.top.path().join(below)
    }

    /// Writes a file, with the folders above it.
    pub fn write(&self, below: &str, content: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("it is below")).expect("ours");
        fs::write(path, content).expect("ours");
    }

    /// Writes the desktop file `below` a folder `applications`, of Type Application.
    pub fn add(&self, below: &str, lines: &str) -> PathBuf {
        let (folder, name) = below.split_once('/').expect("user/ or system/");
        let below = format!("{folder}/applications/{name}");
        self.write(
            &below,
            format!("[Desktop Entry]\nType=Application\n{lines}\n"),
        );
        self.path(&below)
    }

    /// Adds the user's application `id`, which is this shell script.
    pub fn add_script(&self, id: &str, script: &str) -> PathBuf {
        self.program(id, script);
        self.add(
            &format!("user/{id}.desktop"),
            &format!("Name={id}\nExec={id}"),
        )
    }

    /// Puts a program, a shell script, into `PATH`.
    pub fn program(&self, name: &str, script: &str) {
        fs::create_dir_all(self.path("bin")).expect("ours");
        self.write("draft", format!("#!/bin/sh\n{script}\n"));
        install(&self.path("draft"), &self.path("bin").join(name), 0o755);
    }

    /// The built program `name`, for this user. There is no session bus, no desktop and no QubesDB.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        self.prepare(&mut command);
        command
    }

    /// Makes this the user and the system of `command`.
    pub fn prepare(&self, command: &mut Command) {
        let no_bus = format!("unix:path={}", self.path("no-bus").display());
        let path = format!(
            "{}:/usr/local/bin:/usr/bin:/bin",
            self.path("bin").display()
        );
        command
            .env("HOME", self.path("home"))
            .env("PATH", path)
            .env("XDG_DATA_HOME", self.path("user"))
            .env("XDG_DATA_DIRS", self.path("system"))
            .env("QUBESDB_DIR", self.path("qubesdb"))
            .env("DBUS_SESSION_BUS_ADDRESS", no_bus)
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("LANGUAGE");
    }

    /// Runs the program of qubes.StartApp with this argument.
    #[must_use]
    pub fn start(&self, id: &str) -> Finished {
        run(self.starting(id))
    }

    /// The program of qubes.StartApp with this argument.
    #[must_use]
    pub fn starting(&self, id: &str) -> Command {
        let mut command = self.command("qubes-start-app");
        command.args(["--", id]);
        command
    }

    /// What the program of qubes.GetAppmenus writes, to stdout and to stderr.
    #[track_caller]
    #[must_use]
    pub fn menus(&self) -> (String, String) {
        let finished = run(self.command("qubes-app-menus"));
        finished.assert_code(0);
        let stderr = finished.stderr();
        (
            String::from_utf8(finished.stdout).expect("it is ASCII"),
            stderr,
        )
    }

    /// The top of it all.
    #[must_use]
    pub fn top(&self) -> &Path {
        self.top.path()
    }
}
