//! The variables that the program looks at. A hostile caller of a set-uid program chooses them all.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use rustix::process::{getegid, geteuid, getgid, getuid};

/// The permitted variables. Nothing in them has been checked.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// `QREXEC_REMOTE_DOMAIN`: the qube that calls, as dom0 says.
    pub(crate) untrusted_remote_domain: Option<OsString>,
    /// `HOME`.
    pub(crate) untrusted_home: Option<OsString>,
    pub(crate) update_limits: UpdateLimits,
}

/// `UPDATES_MAX_BYTES` and `UPDATES_MAX_FILES`, which the programs that update dom0 set: other limits
/// than those of `--profile dom0`.
#[derive(Clone, Debug, Default)]
pub(crate) struct UpdateLimits {
    pub(crate) untrusted_bytes: Option<OsString>,
    pub(crate) untrusted_files: Option<OsString>,
}

/// Reads the permitted variables, then clears the environment, before the C library looks at any of
/// it for the password database.
pub(crate) fn read_and_clear() -> Environment {
    let mut environment = Environment {
        untrusted_remote_domain: std::env::var_os("QREXEC_REMOTE_DOMAIN"),
        untrusted_home: std::env::var_os("HOME"),
        update_limits: UpdateLimits::default(),
    };
    // A caller who has the program run with more rights than their own must not raise the limits.
    if getuid() == geteuid() && getgid() == getegid() {
        environment.update_limits = UpdateLimits {
            untrusted_bytes: std::env::var_os("UPDATES_MAX_BYTES"),
            untrusted_files: std::env::var_os("UPDATES_MAX_FILES"),
        };
    }
    for (name, _) in std::env::vars_os() {
        // A name like `=x` cannot be removed (trying to is a panic), nor can anything ask for it.
        if !name.is_empty() && !name.as_bytes().contains(&b'=') {
            std::env::remove_var(name);
        }
    }
    environment
}
