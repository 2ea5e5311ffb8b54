//! The program of the user for a change of addresses.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use program::services;

use crate::programs;

/// Runs when the addresses have changed.
const HOOK: &str = "/rw/config/qubes-ip-change-hook";

/// Runs the user's program, if there is one. How it ends is its own business.
pub(crate) fn run() {
    let is_executable = fs::metadata(HOOK)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
    // Where the owner decides what persists, nothing executable in that folder is used.
    if is_executable && !services::is_on("custom-persist") {
        programs::run_and_say(Path::new(HOOK), &[]);
    }
}
