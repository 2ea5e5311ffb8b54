//! Waiting for what another process does to a folder (`inotify(7)`), or for its end
//! (`pidfd_open(2)`).

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::io::{Errno, read};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::process::HANGS_AFTER;

/// Waits until it `is_so`, which is asked again whenever something changes in `folder`.
#[track_caller]
pub fn until(folder: &Path, is_so: impl Fn() -> bool) {
    let changes = changes_in(folder);
    while !is_so() {
        wait_for(&[&changes]);
        take(&changes);
    }
}

/// The same; false if the process ends before.
#[track_caller]
pub(crate) fn until_or_end(folder: &Path, process: Pid, is_so: impl Fn() -> bool) -> bool {
    let changes = changes_in(folder);
    let end = pidfd_open(process, PidfdFlags::empty()).expect("it has not been waited for");
    while !is_so() {
        if wait_for(&[&changes, &end])[1] {
            return is_so();
        }
        take(&changes);
    }
    true
}

/// Waits until a process that is no child has ended.
#[track_caller]
pub fn until_ended(process: Pid) {
    match pidfd_open(process, PidfdFlags::empty()) {
        Ok(end) => drop(wait_for(&[&end])),
        Err(error) => assert_eq!(error, Errno::SRCH),
    }
}

/// Waits until a process that is no thread of this one watches a folder.
#[track_caller]
pub fn until_it_watches(process: u32) {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < HANGS_AFTER, "it watches nothing");
        let open = fs::read_dir(format!("/proc/{process}/fd"));
        let mut open = open.into_iter().flatten().flatten();
        let is_watch = |path: &Path| path.as_os_str() == "anon_inode:inotify";
        if open.any(|fd| fs::read_link(fd.path()).is_ok_and(|path| is_watch(&path))) {
            return;
        }
        // One that has ended has no program.
        let program = fs::read_link(format!("/proc/{process}/exe"));
        assert!(program.is_ok(), "it has ended, and watched nothing");
        thread::yield_now();
    }
}

fn changes_in(folder: &Path) -> OwnedFd {
    let changes = init(CreateFlags::CLOEXEC).expect("inotify is there");
    add_watch(&changes, folder, WatchFlags::ALL_EVENTS).expect("the folder is there");
    changes
}

/// Waits for one of them, and says which are ready.
#[track_caller]
fn wait_for(any: &[&OwnedFd]) -> Vec<bool> {
    let poll_in = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
    let mut ready: Vec<_> = any.iter().map(|fd| poll_in(fd.as_fd())).collect();
    let patience = Timespec::try_from(HANGS_AFTER).expect("some seconds");
    let count = poll(&mut ready, Some(&patience)).expect("they can be polled");
    assert!(count > 0, "what was waited for does not happen");
    ready.iter().map(|fd| !fd.revents().is_empty()).collect()
}

/// Takes what has been told: more changes are told anew.
fn take(changes: &OwnedFd) {
    let _told = read(changes, &mut [0; 4096]).expect("something was told");
}
