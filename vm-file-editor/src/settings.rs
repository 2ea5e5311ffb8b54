//! What the environment says: who calls, what opens files, and how long "a moment" is.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use qfile_proto::QubeName;

use crate::error::Error;
use crate::wait::Patience;

/// Set by qrexec: the qube that the file comes from.
const CALLER: &str = "QREXEC_REMOTE_DOMAIN";

/// An absolute path that takes the place of `qubes-open` and `xdg-open`.
const OPENER: &str = "VM_FILE_EDITOR_OPENER";

/// The settings of one call.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) caller: QubeName,
    pub(crate) opener: Option<PathBuf>,
    pub(crate) patience: Patience,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self, Error> {
        let caller = env::var_os(CALLER).unwrap_or_default();
        let caller = QubeName::parse(caller.as_encoded_bytes()).ok_or(Error::Caller)?;
        let opener = env::var_os(OPENER).filter(|path| !path.is_empty());
        let opener = opener.map(PathBuf::from);
        if opener.as_ref().is_some_and(|path| !path.is_absolute()) {
            return Err(Error::RelativeOpener);
        }
        let default = Patience::default();
        Ok(Self {
            caller,
            opener,
            patience: Patience {
                look_every: milliseconds("VM_FILE_EDITOR_LOOK_EVERY_MS", default.look_every),
                settling: milliseconds("VM_FILE_EDITOR_SETTLING_MS", default.settling),
                glance: milliseconds("VM_FILE_EDITOR_GLANCE_MS", default.glance),
                too_quick: milliseconds("VM_FILE_EDITOR_TOO_QUICK_MS", default.too_quick),
            },
        })
    }
}

fn milliseconds(variable: &str, default: Duration) -> Duration {
    let value = env::var(variable).ok().and_then(|value| value.parse().ok());
    value.map_or(default, Duration::from_millis)
}
