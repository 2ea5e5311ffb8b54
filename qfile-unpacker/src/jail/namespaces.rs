//! Namespaces of its own, in which the incoming folder is all there is.
//!
//! The mount tree is a private copy that nobody else ever sees: any number of receivers run side by
//! side, and nothing is left behind when one is killed.

use std::io;

use nix::sched::{unshare, CloneFlags};
use nix::unistd;
use rustix::fs::{fstatvfs, CWD};
use rustix::mount::{
    mount_change, mount_remount, move_mount, open_tree, unmount, MountFlags, MountPropagationFlags,
    MoveMountFlags, OpenTreeFlags, UnmountFlags,
};
use rustix::process::{chdir, chroot, fchdir, pivot_root};

use crate::identity::Identity;
use crate::incoming::Incoming;
use crate::options::Level;

/// `ST_NOSYMFOLLOW` of statfs(2), which the crates do not name.
const ST_NOSYMFOLLOW: u64 = 0x2000;

/// What could be had.
#[derive(Debug)]
pub(super) struct Namespaces {
    /// `None`: there are none, and Landlock has to do alone.
    pub(super) level: Option<Level>,
    /// The kernel confirms that it follows no link on the mount.
    pub(super) no_links_followed: bool,
}

/// Enters namespaces as far as the system allows; what it does not allow is noted.
pub(super) fn enter(
    incoming: &Incoming,
    identity: &Identity,
    notes: &mut Vec<String>,
) -> Namespaces {
    match build(incoming, identity, notes) {
        Ok(namespaces) => namespaces,
        Err((what, error)) => {
            notes.push(format!("no namespaces: {what}: {error}"));
            Namespaces {
                level: None,
                no_links_followed: false,
            }
        }
    }
}

type Failed = (&'static str, io::Error);

fn build(
    incoming: &Incoming,
    identity: &Identity,
    notes: &mut Vec<String>,
) -> Result<Namespaces, Failed> {
    let level = make_namespaces(identity, notes)?;
    stop_mount_propagation()?;
    let no_links_followed = mount_the_incoming_folder(incoming, notes)?;
    make_it_the_root(notes)?;
    Ok(Namespaces {
        level: Some(level),
        no_links_followed,
    })
}

/// Mount, net, ipc and uts; as a user in a user namespace with the own uid only.
fn make_namespaces(identity: &Identity, notes: &mut Vec<String>) -> Result<Level, Failed> {
    let all = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if unistd::geteuid().is_root() {
        unshare(all).map_err(|errno| ("unshare", errno.into()))?;
        return Ok(Level::Root);
    }
    unshare(all | CloneFlags::CLONE_NEWUSER).map_err(|errno| ("unshare", errno.into()))?;
    let map = |id: u32| format!("{id} {id} 1\n");
    let write = |file: &str, text: &str| std::fs::write(format!("/proc/self/{file}"), text);
    // Before its group map is written, a namespace without privileges has to give up setgroups.
    write("setgroups", "deny")
        .and_then(|()| write("uid_map", &map(identity.uid.as_raw())))
        .and_then(|()| write("gid_map", &map(identity.gid.as_raw())))
        .map_err(|error| ("map the user", error))?;
    notes.push("supplementary groups stay, as always in a user namespace".to_owned());
    Ok(Level::UserNamespace)
}

fn stop_mount_propagation() -> Result<(), Failed> {
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", slave).map_err(|errno| ("make / a slave", errno.into()))
}

/// The working folder becomes a mount that runs, follows and trusts nothing. Returns
/// whether the kernel confirms that it follows no links.
fn mount_the_incoming_folder(incoming: &Incoming, notes: &mut Vec<String>) -> Result<bool, Failed> {
    // By way of the working folder, which came along into the new namespace; `incoming.dir` still
    // belongs to the old one and cannot be mounted here.
    let tree = open_tree(
        CWD,
        ".",
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )
    .map_err(|errno| ("open_tree", errno.into()))?;
    move_mount(&tree, "", CWD, ".", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(|errno| ("move_mount", errno.into()))?;
    fchdir(&tree).map_err(|errno| ("fchdir", errno.into()))?;
    mount_change(".", MountPropagationFlags::PRIVATE)
        .map_err(|errno| ("make the mount private", errno.into()))?;
    // Flags beside `bind` are ignored on the first call; a second one sets them. Those that a user
    // namespace inherits are locked and have to be named again; access times stay by themselves.
    let mut flags = MountFlags::BIND
        | MountFlags::NOSUID
        | MountFlags::NODEV
        | MountFlags::NOEXEC
        | MountFlags::NOSYMFOLLOW;
    let before = fstatvfs(&incoming.dir).map_err(|errno| ("statfs", errno.into()))?;
    if before
        .f_flag
        .contains(rustix::fs::StatVfsMountFlags::RDONLY)
    {
        flags |= MountFlags::RDONLY;
    }
    mount_remount(".", flags, "").map_err(|errno| ("remount", errno.into()))?;
    let after = fstatvfs(&tree).map_err(|errno| ("statfs", errno.into()))?;
    let no_links_followed = after.f_flag.bits() & ST_NOSYMFOLLOW != 0;
    if !no_links_followed {
        notes.push("this kernel cannot forbid to follow links on a mount".to_owned());
    }
    Ok(no_links_followed)
}

/// The old root goes out of reach. Where it cannot be exchanged (a root that is an initial
/// RAM disk), `chroot` has to do.
fn make_it_the_root(notes: &mut Vec<String>) -> Result<(), Failed> {
    match pivot_root(".", ".") {
        // The old root lies on top of the new one now.
        Ok(()) => unmount(".", UnmountFlags::DETACH).map_err(|errno| ("umount", errno.into()))?,
        Err(errno) => {
            let reason = io::Error::from(errno);
            notes.push(format!(
                "the root was changed, but not exchanged: pivot_root: {reason}"
            ));
            chroot(".").map_err(|errno| ("chroot", errno.into()))?;
        }
    }
    chdir("/").map_err(|errno| ("chdir", errno.into()))
}
