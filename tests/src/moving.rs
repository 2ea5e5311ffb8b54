//! Files that are moved to another qube, and what happens to them meanwhile.
//!
//! What happens is a shell script, so another process, which the called service runs in the home of
//! the source qube between the end of the stream and the verdict: the attacker wins every round.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fifo;
use crate::process::{Finished, run};
use crate::programs::program;
use crate::qubes::{Qubes, SOURCE, TARGET};
use crate::tree::Snapshot;

/// A qube with files to move, and the one that they go to.
#[derive(Debug, Default)]
pub struct Moving {
    /// Both.
    pub qubes: Qubes,
}

/// How a move ended.
#[derive(Debug)]
pub struct Moved {
    /// The command.
    pub finished: Finished,
    /// What is still in the source qube's home.
    pub left: Snapshot,
}

impl Moving {
    /// Qubes with empty homes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The home of the source qube.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.qubes.home(SOURCE)
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// Makes a file with that content, and the folders above it.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        let folder = path.parent().expect("a file stands in a folder");
        fs::create_dir_all(folder).expect("the home is ours");
        fs::write(path, content).expect("the home is ours");
    }

    /// What is in the home.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.home())
    }

    /// What has arrived.
    #[must_use]
    pub fn arrived(&self) -> Snapshot {
        Snapshot::of(&self.incoming())
    }

    /// Where it arrives.
    #[must_use]
    pub fn incoming(&self) -> PathBuf {
        self.qubes.incoming(SOURCE, TARGET)
    }

    /// Makes `script` the whole service that is called.
    pub fn set_service(&self, script: &str) {
        self.qubes.set_service(TARGET, "qubes.Filecopy", script);
    }

    /// Has `script` run in the home of the source when everything was received and nothing is
    /// confirmed yet.
    pub fn before_the_verdict(&self, script: &str) {
        let verdict = self.qubes.root().join("verdict");
        let (receiver, verdict) = (program("qfile-unpacker"), verdict.display());
        self.set_service(&format!(
            "'{}' >'{verdict}'\n(\ncd '{}' || exit 1\n{script}\n) </dev/null >/dev/null\ncat '{verdict}'",
            receiver.display(),
            self.home().display()
        ));
    }

    /// Has the verdict wait until the test lets it go, and gives the gate for
    /// [`fifo::once_it_is_read`].
    #[must_use]
    pub fn hold_the_verdict(&self) -> PathBuf {
        let gate = self.qubes.root().join("gate");
        fifo::make(&gate);
        self.before_the_verdict(&format!("exec cat '{}'", gate.display()));
        gate
    }

    /// `qvm-move-to-vm TARGET ARGUMENTS` in the source.
    #[must_use]
    pub fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = self.qubes.command(SOURCE, "qvm-move-to-vm");
        command.arg(TARGET).args(arguments);
        command
    }

    /// Runs it.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Moved {
        self.run_command(self.command(arguments))
    }

    /// Runs a command of the source qube.
    pub fn run_command(&self, command: Command) -> Moved {
        let finished = run(command);
        Moved {
            finished,
            left: self.snapshot(),
        }
    }
}

impl Moved {
    /// Fails the test unless everything is gone, silently but for the sender's own summary.
    #[track_caller]
    pub fn assert_all_gone(&self) {
        self.finished.assert_code(0);
        assert_eq!(self.left.paths(), [""; 0]);
    }

    /// Fails the test unless exactly `paths` are still there, `told` of them are listed, by whole
    /// lines, each under a heading that begins with its reason, and the status is 3.
    #[track_caller]
    pub fn assert_stays(&self, home: &Path, paths: &[&str], told: &[(&str, &str)]) {
        let stderr = self.finished.stderr();
        self.finished.assert_code(3);
        assert_eq!(self.left.paths(), paths, "{stderr}");
        let count = match told.len() {
            1 => "1 entry is not deleted here:".to_owned(),
            more => format!("{more} entries are not deleted here:"),
        };
        self.finished.assert_says(&count);
        for (reason, path) in told {
            let row = format!("    \"{}\"", home.join(path).display());
            let lines: Vec<&str> = stderr.lines().collect();
            let at = lines.iter().position(|line| *line == row);
            let at = at.unwrap_or_else(|| panic!("{row} is not told:\n{stderr}"));
            let heading = lines[..at].iter().rfind(|line| !line.starts_with("    "));
            let heading = heading.expect("rows have a heading").trim_start();
            assert!(heading.starts_with(reason), "{path}: {heading}");
        }
    }

    /// Fails the test unless the status is `code` and `before` is still there to the last bit.
    #[track_caller]
    pub fn assert_nothing_deleted(&self, code: i32, before: &Snapshot) {
        self.finished.assert_code(code);
        before.assert_unchanged(&self.left);
        self.finished.assert_says("nothing was deleted");
    }
}
