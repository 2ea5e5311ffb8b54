//! What the daemon gives up before it reads the first byte of a client or of the other daemon.
//!
//! With Landlock it can open no file any more, and remove only what lies in the folder of its
//! sockets. Connecting to a socket by its path is not restricted by Landlock; system calls are not
//! restricted.

use std::fs::File;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, RestrictionStatus, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope,
};
use program::failure::Failure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The newest rules that are asked for (Linux 6.12); an older kernel enforces those it knows.
const NEWEST: ABI = ABI::V6;

/// Descriptors for other things than clients.
const OTHER_DESCRIPTORS: u64 = 32;

/// Confines this process; the folder of its sockets is what it may still change.
pub(crate) fn confine(folder: &Path) -> Result<(), Failure> {
    let folder = File::open(folder).map_err(Failure::of(format_args!(
        "cannot open {}",
        text::file(folder)
    )))?;
    restrict(&folder)
        .map(drop)
        .map_err(Failure::of("cannot confine the daemon"))
}

fn restrict(folder: &File) -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        // Not abstract sockets: systemd may wait for READY=1 at one.
        .scope(Scope::Signal)?
        .create()?
        .add_rule(PathBeneath::new(folder, AccessFs::RemoveFile))?
        .restrict_self()
}

/// Takes as many descriptors as the system lets this process have; for how many clients they do.
pub(crate) fn descriptors_for_clients() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where that fails, what there was has to do.
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let for_clients = limit.map_or(u64::MAX, |limit| limit.saturating_sub(OTHER_DESCRIPTORS));
    usize::try_from(for_clients).unwrap_or(usize::MAX)
}
