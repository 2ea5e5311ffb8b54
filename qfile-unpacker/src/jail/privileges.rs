//! What root gives up before it builds the jail, and all the rest of it after.

use std::io;

use caps::{CapSet, Capability, CapsHashSet};
use nix::unistd::{self, Gid, Uid};
use rustix::process::DumpableBehavior;
use rustix::thread;

use crate::error::Error;
use crate::identity::Identity;

/// What the jail is built with: mounts and namespaces, `chroot`, and becoming the user for good.
const BUILDING: [Capability; 4] = [
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_SYS_CHROOT,
    Capability::CAP_SETUID,
    Capability::CAP_SETGID,
];

/// Nothing executed from here on can gain privileges, and of root's capabilities only those that
/// build the jail are left. An ordinary user has no capabilities, before and after.
pub(super) fn drop_unneeded_capabilities() -> Result<(), Error> {
    thread::set_no_new_privs(true)
        .map_err(|errno| Error::Jail("set no_new_privs", errno.into()))?;
    let permitted = caps::read(None, CapSet::Permitted).map_err(failed("read capabilities"))?;
    let kept: CapsHashSet = BUILDING
        .into_iter()
        .filter(|cap| permitted.contains(cap))
        .collect();
    if permitted.contains(&Capability::CAP_SETPCAP) {
        caps::raise(None, CapSet::Effective, Capability::CAP_SETPCAP)
            .and_then(|()| caps::clear(None, CapSet::Bounding))
            .map_err(failed("drop the bounding set"))?;
    }
    caps::clear(None, CapSet::Ambient).map_err(failed("drop ambient capabilities"))?;
    caps::clear(None, CapSet::Inheritable).map_err(failed("drop inheritable capabilities"))?;
    caps::set(None, CapSet::Effective, &kept)
        .and_then(|()| caps::set(None, CapSet::Permitted, &kept))
        .map_err(failed("drop capabilities"))
}

/// The user for good, without a capability, and without a way back.
pub(super) fn become_the_user(identity: &Identity) -> Result<(), Error> {
    let Identity { uid, gid, .. } = *identity;
    // In a user namespace that could not be given its map there is no number for any user; the
    // process is the user already.
    let was_root = unistd::geteuid().is_root();
    if was_root {
        unistd::setresgid(gid, gid, gid)
            .map_err(|errno| Error::Identity("setresgid", errno.into()))?;
        unistd::setresuid(uid, uid, uid)
            .map_err(|errno| Error::Identity("setresuid", errno.into()))?;
    }
    // A user namespace comes with a full set of its own.
    let has_setpcap = caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP);
    if has_setpcap.map_err(failed("read capabilities"))? {
        caps::clear(None, CapSet::Bounding).map_err(failed("drop the bounding set"))?;
    }
    for set in [
        CapSet::Ambient,
        CapSet::Inheritable,
        CapSet::Effective,
        CapSet::Permitted,
    ] {
        caps::clear(None, set).map_err(failed("drop capabilities"))?;
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|errno| Error::Jail("become undumpable", errno.into()))?;
    check_that_nothing_remains(identity, was_root)
}

fn check_that_nothing_remains(identity: &Identity, was_root: bool) -> Result<(), Error> {
    for set in [
        CapSet::Effective,
        CapSet::Permitted,
        CapSet::Inheritable,
        CapSet::Ambient,
    ] {
        if !caps::read(None, set)
            .map_err(failed("read capabilities"))?
            .is_empty()
        {
            return Err(Error::PrivilegesRemain("a capability"));
        }
    }
    if caps::raise(None, CapSet::Permitted, Capability::CAP_SYS_ADMIN).is_ok() {
        return Err(Error::PrivilegesRemain("a capability"));
    }
    let root = Gid::from_raw(0);
    if was_root && identity.gid != root && unistd::setresgid(root, root, root).is_ok() {
        return Err(Error::PrivilegesRemain("root's gid"));
    }
    let root = Uid::from_raw(0);
    if !identity.uid.is_root() && unistd::setresuid(root, root, root).is_ok() {
        return Err(Error::PrivilegesRemain("root's uid"));
    }
    match thread::no_new_privs() {
        Ok(true) => Ok(()),
        _ => Err(Error::PrivilegesRemain("new privileges")),
    }
}

fn failed(what: &'static str) -> impl Fn(caps::errors::CapsError) -> Error {
    move |error| Error::Jail(what, io::Error::other(error))
}
