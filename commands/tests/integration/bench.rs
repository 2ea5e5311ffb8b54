//! A bench to try the commands on: a folder with files to copy, a stand-in for `qrexec-client-vm`,
//! and a record of how that was called.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use commands::args::Form;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

/// No test waits that long when all is well.
const HANGS_AFTER: Duration = Duration::from_secs(150);

/// The bench; its folders are removed when it is dropped.
pub(crate) struct Bench {
    folder: TempDir,
}

/// How a command ended, as text.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    /// A bench with an empty folder `files` and the programs in `bin`, under all their names.
    /// An agent that is never executed stands beside them, because the stand-in calls nothing.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for name in ["files", "record", "bin"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let bench = Self { folder };
        for form in Form::ALL {
            let name = bench.path("bin").join(form.name());
            fs::hard_link(env!("CARGO_BIN_EXE_qvm-copy"), name).unwrap();
        }
        fs::write(bench.path("bin/qfile-agent"), "").unwrap();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(bench.path("bin/qfile-agent"), executable).unwrap();
        bench
    }

    /// A path on the bench.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file to copy.
    pub(crate) fn file(&self, name: &str, content: &str) {
        let path = self.path("files").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A link to copy.
    pub(crate) fn link(&self, name: &str, target: &str) {
        std::os::unix::fs::symlink(target, self.path("files").join(name)).unwrap();
    }

    /// `qvm-copy`, or its other name, in the folder `files`, without a display.
    pub(crate) fn command(&self, name: &str) -> Command {
        let stand_ins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/stand_ins");
        let mut command = Command::new("env");
        command
            // What nohup(1) or a script in the background makes the tests ignore, it would ignore too.
            .arg("--default-signal=HUP,INT")
            .arg(self.path("bin").join(name))
            .current_dir(self.path("files"))
            .env("QREXEC_CLIENT_VM", stand_ins.join("client"))
            .env("RECORD", self.path("record"))
            .env("STATUS", "0")
            .env("XDG_STATE_HOME", self.path("state"))
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("XDG_CURRENT_DESKTOP");
        command
    }

    /// The same, on a desktop whose zenity is a stand-in.
    pub(crate) fn command_on_desktop(&self, name: &str) -> Command {
        let desktop =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/stand_ins/desktop");
        let path = std::env::var("PATH").unwrap();
        let mut command = self.command(name);
        command
            .env("DISPLAY", ":stand-in")
            .env("PATH", format!("{}:{path}", desktop.display()));
        command
    }

    /// The same, on KDE, whose kdialog and qdbus are stand-ins: no KDE runs where tests do.
    pub(crate) fn command_on_kde(&self, name: &str) -> Command {
        let mut command = self.command_on_desktop(name);
        command.env("XDG_CURRENT_DESKTOP", "X-Generic:KDE");
        command
    }

    /// What a stand-in recorded; empty if it was not called.
    pub(crate) fn record(&self, name: &str) -> String {
        fs::read_to_string(self.path("record").join(name)).unwrap_or_default()
    }

    /// Makes a FIFO through which a stand-in tells that something has happened.
    pub(crate) fn will_be_told(&self, name: &str) {
        let fifo = self.path("record").join(name);
        mknodat(CWD, fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    }

    /// Waits until that has been told.
    pub(crate) fn until_told(&self, name: &str) {
        let fifo = self.path("record").join(name);
        let (told, happened) = mpsc::channel();
        thread::spawn(move || told.send(fs::read(fifo)));
        let told = happened.recv_timeout(HANGS_AFTER);
        told.unwrap_or_else(|_| panic!("{name} was not told"))
            .unwrap();
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    ended(command.output().unwrap())
}

/// The end of a command.
pub(crate) fn ended(output: Output) -> Ended {
    Ended {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
