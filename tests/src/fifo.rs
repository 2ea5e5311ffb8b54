//! FIFOs: where one side waits until the other is there (`fifo(7)`).

use std::fs::File;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Makes one at `path`, as readable as the umask lets it be.
pub fn make(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).expect("ours");
}

/// Makes one and keeps it open for both sides: who reads waits until the file is dropped.
#[must_use]
pub fn held(path: &Path) -> File {
    make(path);
    let both = File::options().read(true).write(true).open(path);
    both.expect("a FIFO can be held open")
}
