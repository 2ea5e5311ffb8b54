//! A desktop that records its windows in place of showing them: zenity, kdialog and qdbus are
//! stand-ins, the first in `PATH`. The real zenity is seen and pressed by `make test-desktop`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{folder, source};
use crate::tree::TempFolder;

/// Such a desktop.
#[derive(Debug, Default)]
pub struct Windows {
    record: TempFolder,
    cancels: Option<PathBuf>,
}

impl Windows {
    /// One whose user only looks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One whose user presses Cancel in a progress window once there is this file.
    #[must_use]
    pub fn cancelling(once: PathBuf) -> Self {
        Self {
            cancels: Some(once),
            ..Self::default()
        }
    }

    /// Has `command` and what it starts find the stand-ins, then the built programs.
    pub fn prepare(&self, command: &mut Command) {
        let stand_ins = source("commands/tests/integration/stand_ins/desktop");
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = [stand_ins, folder()]
            .into_iter()
            .chain(env::split_paths(&path));
        command
            .env("PATH", env::join_paths(folders).expect("plain paths"))
            .env("DISPLAY", ":stand-in")
            .env("RECORD", self.record.path())
            .env("CANCEL", self.cancels.as_deref().unwrap_or(Path::new("")))
            .env_remove("XDG_CURRENT_DESKTOP")
            .env_remove("QFILE_DIALOGS");
    }

    /// What a stand-in has recorded: `zenity--error` and the like, an argument or a line of input
    /// in each line; `kdialog` and `qdbus`, a call in each. Empty if it was not called.
    #[must_use]
    pub fn told(&self, name: &str) -> String {
        fs::read_to_string(self.record.path().join(name)).unwrap_or_default()
    }
}
