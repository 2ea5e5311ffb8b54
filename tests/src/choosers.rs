//! A user who chooses files for dom0, and the choosers that this user sees. zenity and kdialog are
//! stand-ins here. The real zenity is used by `make test-desktop`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::applications::Applications;
use crate::programs::{folder, source};

/// A user with a home folder, whose choosers answer as the test has told them.
#[derive(Debug)]
pub struct Choosers {
    user: Applications,
}

impl Default for Choosers {
    fn default() -> Self {
        Self::new()
    }
}

impl Choosers {
    /// No window has been shown yet.
    #[must_use]
    pub fn new() -> Self {
        let user = Applications::new();
        let script = format!(
            "cd '{}'; number=$(($(/bin/cat number)+1)); echo $number >number\n\
             printf '%s\\n' \"${{0##*/}}\" \"$@\" >window-$number\n\
             if [ -e does-$number ]; then . ./does-$number; fi\n\
             [ -e answer-$number ] || exit 1\n\
             exec /bin/cat answer-$number",
            user.path("").display()
        );
        user.write("number", "0\n");
        for name in ["zenity", "kdialog"] {
            user.program(name, &script);
        }
        Self { user }
    }

    /// A path in the home folder.
    #[must_use]
    pub fn home(&self, below: &str) -> PathBuf {
        match below {
            "" => self.user.path("home"),
            below => self.user.path("home").join(below),
        }
    }

    /// Makes an empty file in the home folder, with the folders above it.
    pub fn file(&self, below: &str) -> PathBuf {
        self.user.write(&format!("home/{below}"), "");
        self.home(below)
    }

    /// Window `number` ends with this on its stdout. Without it, the user cancels.
    pub fn answers(&self, number: u32, path: &Path) {
        let line = [path.as_os_str().as_encoded_bytes(), b"\n"].concat();
        self.user.write(&format!("answer-{number}"), line);
    }

    /// Window `number` runs these lines of shell first.
    pub fn does(&self, number: u32, lines: &str) {
        self.user.write(&format!("does-{number}"), lines);
    }

    /// The name and the arguments of the program that showed window `number`; `None`: nothing did.
    #[must_use]
    pub fn window(&self, number: u32) -> Option<Vec<String>> {
        let shown = fs::read_to_string(self.user.path(&format!("window-{number}"))).ok()?;
        Some(shown.lines().map(str::to_owned).collect())
    }

    /// A path in the folder of all this.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.user.path(below)
    }

    /// The program, with these arguments. There is no session bus.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.user.command("qubes-select-file");
        command.args(arguments);
        Self::on_desktop(&mut command);
        command
    }

    /// The service of that name, as qrexec starts it.
    #[must_use]
    pub fn service(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(source("rpc").join(name));
        self.user.prepare(&mut command);
        command.env("QFILE_LIBDIR", folder()).args(arguments);
        Self::on_desktop(&mut command);
        command
    }

    /// Takes zenity and kdialog away.
    pub fn uninstall(&self, command: &mut Command) {
        let empty = self.user.path("empty");
        fs::create_dir_all(&empty).expect("ours");
        command.env("PATH", empty);
    }

    fn on_desktop(command: &mut Command) {
        command
            .env("DISPLAY", ":stand-in")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("XDG_CURRENT_DESKTOP")
            .env_remove("XDG_STATE_HOME")
            .env_remove("QFILE_DIALOGS");
    }
}
