//! A qube that keeps backups, [`TARGET`], and the one that makes and restores them, [`SOURCE`]: all
//! through `qrexec-loopback` and the project's service files.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::process::{Finished, run};
use crate::programs::program;
use crate::qubes::{Qubes, SOURCE, TARGET};
use crate::tree::Snapshot;

/// What dom0 receives backups with.
pub const PROFILE: [&str; 2] = ["--profile", "dom0"];

/// Writes the line `$0`, then the file `$1`.
const SEND: &str = r#"printf '%s\n' "$0"; exec cat "$1""#;

/// Writes the lines `$0` and `$1`, then becomes the rest.
const FETCH: &str = r#"printf '%s\n%s\n' "$0" "$1"; shift; exec "$@""#;

/// The two qubes. Where nothing else is said, paths are below the home of [`TARGET`].
#[derive(Debug, Default)]
pub struct Backups {
    /// Both qubes.
    pub qubes: Qubes,
}

impl Backups {
    /// Two qubes with empty homes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A path in the home of the qube that keeps the backups.
    #[must_use]
    pub fn kept(&self, name: &str) -> PathBuf {
        self.qubes.home(TARGET).join(name)
    }

    /// Puts a file there.
    pub fn keep(&self, name: &str, content: &[u8]) {
        fs::write(self.kept(name), content).expect("ours");
    }

    /// A path in the home of the other qube.
    #[must_use]
    pub fn own(&self, name: &str) -> PathBuf {
        self.qubes.home(SOURCE).join(name)
    }

    /// Sends `archive` to be kept at `place`, a folder or a command.
    #[must_use]
    pub fn back_up(&self, place: &str, archive: &[u8]) -> Finished {
        let file = self.own("archive");
        fs::write(&file, archive).expect("ours");
        self.back_up_with(SEND, &[place.as_ref(), file.as_ref()])
    }

    /// Has `script` send what is to be kept; `arguments` are its `$0`, `$1` and so on.
    #[must_use]
    pub fn back_up_with(&self, script: &str, arguments: &[&OsStr]) -> Finished {
        let mut command = self.call("qubes.Backup");
        command.args(["/bin/sh", "-c", script]).args(arguments);
        run(command)
    }

    /// Restores from `place`, a file or a command, what begins with one of `prefixes`, into a
    /// receiver with `options`.
    #[must_use]
    pub fn restore(&self, place: &str, prefixes: &str, options: &[&str]) -> Finished {
        fs::create_dir_all(self.own("restored")).expect("ours");
        let receiver = program("qfile-unpacker");
        let mut words: Vec<&OsStr> = vec![receiver.as_ref()];
        words.extend(options.iter().map(OsStr::new));
        let folder = self.own("restored");
        words.extend([OsStr::new(""), folder.as_ref()]);
        self.restore_into(place, prefixes, &words)
    }

    /// The same, into the program `receiver` with its arguments.
    #[must_use]
    pub fn restore_into(&self, place: &str, prefixes: &str, receiver: &[&OsStr]) -> Finished {
        let mut command = self.call("qubes.Restore");
        command.args(["/bin/sh", "-c", FETCH, place, prefixes]);
        command.args(receiver);
        run(command)
    }

    /// What was restored, all of it.
    #[must_use]
    pub fn restored(&self) -> Snapshot {
        Snapshot::of(&self.own("restored"))
    }

    /// The names in the folder `name` that whole backups have; those of all else in it.
    #[must_use]
    pub fn backups_in(&self, name: &str) -> (Vec<String>, Vec<String>) {
        let names = fs::read_dir(self.kept(name)).expect("it is there");
        let names = names.map(|entry| entry.expect("ours").file_name());
        let names = names.map(|name| name.into_string().expect("ASCII"));
        names.partition(|name| is_whole(name))
    }

    fn call(&self, service: &str) -> Command {
        let mut command = self.qubes.command(SOURCE, "qrexec-loopback");
        command.args(["--", TARGET, service]);
        command
    }
}

/// `qubes-backup-YYYY-MM-DDTHHMMSS`, perhaps with a number behind it.
fn is_whole(name: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(time) = name.strip_prefix("qubes-backup-") else {
        return false;
    };
    let (time, number) = match time.len() {
        17 => (time, ""),
        18.. => (&time[..17], time[17..].strip_prefix('-').unwrap_or("x")),
        _ => return false,
    };
    let shape = time.bytes().map(|byte| match byte {
        b'0'..=b'9' => b'D',
        other => other,
    });
    shape.eq(*b"DDDD-DD-DDTDDDDDD") && digits(number)
}
