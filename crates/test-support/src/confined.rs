//! What a confined process can still do: each attempt is made in a process of its own, which runs the
//! same test again.

use std::env;
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

/// Names what the process that a test starts is to try.
const TRIED: &str = "QFILE_CONFINED_TRIES";

/// What it says when that was done, or refused.
const DONE: &str = "it is done\n";
const REFUSED: &str = "it is refused\n";

/// How the kernel stops an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It does not.
    No,
    /// The call fails.
    Refused,
    /// The call ends the process.
    Killed,
}

/// Where this process is to try something: confines it, tries it, says what came of it, and is true.
/// The test must end then. Elsewhere: false.
///
/// # Panics
/// The process cannot be confined.
pub fn tried(
    confine: impl FnOnce() -> io::Result<()>,
    attempt: impl FnOnce(&str, &Path) -> io::Result<()>,
) -> bool {
    let Ok(tried) = env::var(TRIED) else {
        return false;
    };
    let (what, folder) = tried.split_once('=').expect("a name and a folder");
    confine().expect("the process can be confined");
    // A panic would make calls that are forbidden.
    let tried = attempt(what, Path::new(folder));
    let said = if tried.is_ok() { DONE } else { REFUSED };
    io::stdout()
        .write_all(said.as_bytes())
        .expect("stdout is there");
    true
}

/// Runs the test `test`, whose name begins with its modules, in a process that tries `what` in
/// `folder`.
///
/// # Panics
/// The process ends in another way than it should.
#[must_use]
pub fn stopped(test: &str, what: &str, folder: &Path) -> Stopped {
    let output = Command::new(env::current_exe().expect("a program has a path"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(TRIED, format!("{what}={}", folder.display()))
        .output()
        .expect("a test can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.signal() {
        Some(libc::SIGSYS) => Stopped::Killed,
        None if said.contains(DONE) => Stopped::No,
        None if said.contains(REFUSED) => Stopped::Refused,
        _ => panic!("{what}: {output:?}"),
    }
}
