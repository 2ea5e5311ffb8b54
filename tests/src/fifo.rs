//! FIFOs: where one side waits until the other is there (`fifo(7)`).

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::process::HANGS_AFTER;

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

/// Opens one to write, which waits until somebody opens it to read.
#[must_use]
#[track_caller]
pub fn once_it_is_read(path: &Path) -> File {
    once_opened(path, File::options().write(true))
}

/// Opens one to read, which waits until somebody opens it to write.
#[must_use]
#[track_caller]
pub fn once_it_is_written(path: &Path) -> File {
    once_opened(path, File::options().read(true))
}

#[track_caller]
fn once_opened(path: &Path, options: &OpenOptions) -> File {
    let (tell, opened) = mpsc::channel();
    let (options, fifo) = (options.clone(), path.to_owned());
    // On a thread of its own: opening waits for as long as nobody comes.
    thread::spawn(move || tell.send(options.open(fifo)));
    match opened.recv_timeout(HANGS_AFTER) {
        Ok(file) => file.expect("ours"),
        Err(_) => panic!("nobody opens {}", path.display()),
    }
}
