//! Programs that are started by somebody who ignores or blocks signals.

use std::process::Command;

use crate::process::wrapped_in;

/// The test needs an `env` that can ignore and block signals: that of GNU coreutils 8.31 and later.
///
/// # Errors
/// Says that it is missing.
pub fn needs_ignoring_env() -> Result<(), String> {
    let tried = Command::new("env")
        .args(["--ignore-signal=CHLD", "true"])
        .output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err("needs env --ignore-signal, of GNU coreutils".to_owned()),
    }
}

/// `command` as it is started by somebody who ignores `signals`.
#[must_use]
pub fn ignoring(signals: &str, command: &Command) -> Command {
    wrapped_in(&["env", &format!("--ignore-signal={signals}")], command)
}

/// The same by somebody who blocks them, too.
#[must_use]
pub fn ignoring_and_blocking(signals: &str, command: &Command) -> Command {
    let options = ["ignore", "block"].map(|what| format!("--{what}-signal={signals}"));
    wrapped_in(&["env", &options[0], &options[1]], command)
}
