//! Where the daemon of a qube listens.

use std::env;
use std::path::{Path, PathBuf};

use qfile_proto::QubeName;

/// The folder of the sockets, where [`FOLDER_VARIABLE`] names no other.
pub const DEFAULT_FOLDER: &str = "/var/run/qubes";

/// The environment variable that names another folder, for tests and for machines without Qubes OS.
pub const FOLDER_VARIABLE: &str = "QUBESDB_DIR";

/// The folder of the sockets.
#[must_use]
pub fn folder() -> PathBuf {
    env::var_os(FOLDER_VARIABLE)
        .filter(|folder| !folder.is_empty())
        .map_or_else(|| DEFAULT_FOLDER.into(), PathBuf::from)
}

/// The sockets of one daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    read_write: PathBuf,
    read_only: PathBuf,
}

impl Address {
    /// The daemon of this qube.
    #[must_use]
    pub fn of_this_qube(folder: &Path) -> Self {
        Self {
            read_write: folder.join("qubesdb.sock"),
            read_only: folder.join("qubesdb.ro.sock"),
        }
    }

    /// In dom0: the daemon of `qube`.
    #[must_use]
    pub fn of(folder: &Path, qube: &QubeName) -> Self {
        Self {
            read_write: folder.join(format!("qubesdb.{qube}.sock")),
            read_only: folder.join(format!("qubesdb.{qube}.ro.sock")),
        }
    }

    /// The socket for reading and writing.
    #[must_use]
    pub fn read_write(&self) -> &Path {
        &self.read_write
    }

    /// The socket that refuses to change anything.
    #[must_use]
    pub fn read_only(&self) -> &Path {
        &self.read_only
    }

    /// The read-only socket alone.
    #[must_use]
    pub fn for_reading(self) -> Self {
        Self {
            read_write: self.read_only.clone(),
            read_only: self.read_only,
        }
    }
}
