//! Whether what is saved in this qube outlives it.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use program::programs::find_in_path;

/// Has one of the values of [`PERSISTENCE`], for a qube without QubesDB.
const OVERRIDE: &str = "VM_FILE_EDITOR_PERSISTENCE";

/// In QubesDB: `none`, `rw-only` or `full`.
const PERSISTENCE: &str = "/qubes-vm-persistence";

/// In QubesDB: the class of the qube. A disposable that has a name keeps nothing either.
const TYPE: &str = "/qubes-vm-type";

/// Files that the start of a qube makes from these two.
const MARKERS: [&str; 2] = ["/run/qubes/persistent-none", "/run/qubes/this-is-dispvm"];

/// True if this qube is a disposable. Where nothing is known it is none.
pub(crate) fn is_disposable() -> bool {
    if let Ok(value) = env::var(OVERRIDE) {
        return value == "none";
    }
    from_qubesdb(PERSISTENCE).is_some_and(|value| value == "none")
        || from_qubesdb(TYPE).is_some_and(|value| value == "DispVM")
        || MARKERS.iter().any(|marker| Path::new(marker).exists())
}

fn from_qubesdb(path: &str) -> Option<String> {
    let read = Command::new(find_in_path("qubesdb-read")?)
        .arg(path)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let value = String::from_utf8(read.stdout).ok()?;
    read.status.success().then(|| value.trim_end().to_owned())
}
