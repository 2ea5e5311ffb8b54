//! A root folder that only one test sees: everything is there as on the machine, but `/etc` is a copy
//! and `/rw` is new, so that the files of a qube's owner can be written where programs look for them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::process::{chdir, pivot_root};

use crate::tree::TempFolder;
use crate::user::{in_private_mounts, mount_tmpfs};

/// Runs `body` where `/etc` and `/rw` are its own. Needs
/// [`needs_private_mounts`](crate::user::needs_private_mounts).
pub fn in_own_root(body: impl FnOnce() + Send) {
    let scratch = TempFolder::open_to_all();
    let root = scratch.folder("root");
    in_private_mounts(|| {
        mount_tmpfs(&root, 64 << 20, ",mode=755");
        for entry in fs::read_dir("/").expect("root may look") {
            show(&entry.expect("it is listed").path(), &root);
        }
        let done = Command::new("cp")
            .args(["--archive", "/etc"])
            .arg(&root)
            .status();
        assert!(
            done.is_ok_and(|status| status.success()),
            "cannot copy /etc"
        );
        fs::create_dir_all(root.join("etc/qubes")).expect("it is ours");
        fs::create_dir_all(root.join("rw/config")).expect("it is ours");
        // The old root comes to lie on top of the new one, and is taken away.
        chdir(&root).expect("it is ours");
        pivot_root(".", ".").expect("root may exchange the root of its own mounts");
        umount2(".", MntFlags::MNT_DETACH).expect("what was mounted can be unmounted");
        chdir("/").expect("there is a root");
        body();
    });
}

/// Shows the top folder `original` in `root` too; a link becomes the same link.
fn show(original: &Path, root: &Path) {
    if ["/etc", "/rw"].map(Path::new).contains(&original) {
        return;
    }
    let here = root.join(original.strip_prefix("/").expect("it is in the root"));
    if original.is_symlink() {
        let target = fs::read_link(original).expect("it is a link");
        return symlink(target, here).expect("it is ours");
    }
    if original.is_dir() {
        fs::create_dir(&here).expect("it is ours");
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(original), &here, None::<&str>, flags, None::<&str>)
            .unwrap_or_else(|error| panic!("cannot bind {}: {error}", original.display()));
    }
}
