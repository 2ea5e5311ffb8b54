//! The user's programs: they run when the tables are there and no rule of a qube is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use program::say::say;
use program::{services, systemd};

/// Folders whose executable files are run, sorted by name.
const OF_SYSTEM: &str = "/etc/qubes/qubes-firewall.d";
const OF_USER: &str = "/rw/config/qubes-firewall.d";

/// The last one to run.
const SCRIPT: &str = "/rw/config/qubes-firewall-user-script";

/// The service with which nothing executable in `/rw/config` is used.
const CUSTOM_PERSIST: &str = "custom-persist";

/// Runs them all, one after the other, with all rights of this process and without a limit on
/// their time.
pub(crate) fn run_all() {
    run(executables(Path::new(OF_SYSTEM)));
    let mut of_user = executables(Path::new(OF_USER));
    of_user.extend(Some(PathBuf::from(SCRIPT)).filter(|script| is_executable(script)));
    // At boot, whether a service is on may have to be waited for.
    if !of_user.is_empty() && !services::is_on(CUSTOM_PERSIST) {
        run(of_user);
    }
}

fn run(programs: Vec<PathBuf>) {
    for program in programs {
        let ended = Command::new(&program)
            .env_remove(systemd::VARIABLE)
            .stdin(Stdio::null())
            .status();
        let shown = text::file(&program);
        match ended {
            Ok(status) if status.success() => {}
            // Their business; but the user may wonder.
            Ok(status) => say(format_args!("qubes-firewall: {shown} ended: {status}")),
            Err(error) => say(format_args!("qubes-firewall: cannot run {shown}: {error}")),
        }
    }
}

fn executables(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| is_executable(path))
        .collect();
    found.sort();
    found
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
