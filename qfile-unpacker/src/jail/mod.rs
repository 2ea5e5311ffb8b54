//! The receiver locks itself into the incoming folder, top to bottom as `docs/security.md` tells it.
//!
//! What the system cannot give is left out *by name*: each degradation is a note that `-v` and the
//! owner's log show, and a level below the one required ends the program before anything is read.

mod landlock;
mod namespaces;
mod privileges;
mod requirements;
mod seccomp;
mod self_test;

use std::os::fd::OwnedFd;

use rustix::fs::{openat, Mode, OFlags, CWD};

use crate::error::Error;
use crate::identity::Identity;
use crate::incoming::Incoming;
use crate::options::Level;

pub(crate) use requirements::Requirements;

/// The proof that the jail was entered, and what is inside of it: the incoming folder.
#[derive(Debug)]
pub(crate) struct Jailed {
    /// The incoming folder, readable.
    pub(crate) root: OwnedFd,
    /// The kernel follows no link on this mount, so paths of several components are safe.
    pub(crate) no_links_followed: bool,
    /// What was reached.
    pub(crate) level: Option<Level>,
    /// What the system could not give.
    pub(crate) notes: Vec<String>,
}

#[cfg(any(test, fuzzing))]
impl Jailed {
    /// No jail at all, for what works inside of one.
    pub(crate) fn without_a_jail(root: OwnedFd) -> Self {
        Self {
            root,
            no_links_followed: false,
            level: None,
            notes: Vec::new(),
        }
    }
}

/// Enters the jail. There is no way back.
///
/// # Errors
/// [`Error::Jail`] for a step without a substitute, [`Error::PrivilegesRemain`],
/// [`Error::SelfTest`], and [`Error::Isolation`] when less can be had than is required.
pub(crate) fn enter(
    incoming: Incoming,
    identity: &Identity,
    requirements: Requirements,
) -> Result<Jailed, Error> {
    let mut notes = Vec::new();
    let outside = self_test::Outside::open()?;
    privileges::drop_unneeded_capabilities()?;
    let namespaces = namespaces::enter(&incoming, identity, &mut notes);
    privileges::become_the_user(identity)?;
    let root = open_root(&incoming, namespaces.level)?;
    // Its descriptor belongs to the mount namespace that has been left.
    drop(incoming);
    let landlock = landlock::confine(&root, requirements.read_files, &mut notes)?;
    let level = match (namespaces.level, landlock) {
        (Some(level), _) => Some(level),
        (None, true) => Some(Level::Landlock),
        (None, false) => None,
    };
    let required = requirements.level.unwrap_or(Level::Landlock);
    if level < Some(required) {
        return Err(Error::Isolation(level, required, notes));
    }
    // After Landlock, whose calls it forbids.
    seccomp::confine(requirements)?;
    self_test::run(outside, &root, namespaces.level.is_some(), landlock)?;
    Ok(Jailed {
        root,
        no_links_followed: namespaces.no_links_followed,
        level,
        notes,
    })
}

/// The folder for reading, because that is what `syncfs` needs; inside namespaces it is `/`.
fn open_root(incoming: &Incoming, namespaces: Option<Level>) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match namespaces {
        Some(_) => openat(CWD, "/", flags, Mode::empty()),
        None => openat(&incoming.dir, ".", flags, Mode::empty()),
    }
    .map_err(|errno| Error::Jail("open the incoming folder", errno.into()))
}
