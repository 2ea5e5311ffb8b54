//! The log of the system, as only one test sees it.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::interrupted::uninterrupted;
use crate::tree::TempFolder;
use crate::user::{in_private_mounts, mount_tmpfs, show_changed};

/// Runs `body` on a machine whose log is the given socket. Needs
/// [`needs_private_mounts`](crate::user::needs_private_mounts).
pub fn with_system_log(body: impl FnOnce(&UnixDatagram) + Send) {
    let scratch = TempFolder::open_to_all();
    let layers = scratch.folder("layers");
    in_private_mounts(|| {
        mount_tmpfs(&layers, 1 << 20, ",mode=755");
        show_changed(Path::new("/dev"), &layers);
        let _ = fs::remove_file("/dev/log");
        let log = UnixDatagram::bind("/dev/log").expect("it is ours");
        fs::set_permissions("/dev/log", Permissions::from_mode(0o666)).expect("it is ours");
        log.set_nonblocking(true).expect("a socket can be so");
        body(&log);
    });
}

/// The only line in the log since the last time.
#[track_caller]
pub fn only_line(log: &UnixDatagram) -> String {
    let mut line = [0; 4096];
    let len = uninterrupted(|| log.recv(&mut line)).expect("there is a line");
    let more = log.recv(&mut [0; 1]);
    assert!(more.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    String::from_utf8(line[..len].to_vec()).expect("it is text")
}
