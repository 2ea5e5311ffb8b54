//! What is switched on in this qube, and the program of its user.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::programs;

/// Folder of a file for each service that is on.
const SERVICES: &str = "/run/qubes-service";

/// The user's program, for when the addresses have changed.
const HOOK: &str = "/rw/config/qubes-ip-change-hook";

/// Is this service of the qube on?
pub(crate) fn is_on(name: &str) -> bool {
    Path::new(SERVICES).join(name).exists()
}

/// Runs the user's program, if there is one. How it ends is its own business.
pub(crate) fn run_hook() {
    // Where the owner decides what persists, nothing executable in that folder is used.
    if is_on("custom-persist") {
        return;
    }
    let is_executable = fs::metadata(HOOK)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
    if is_executable {
        programs::run_and_say(Path::new(HOOK), &[]);
    }
}
