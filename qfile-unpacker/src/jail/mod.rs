//! Steps 5 to 10: the receiver locks itself into the incoming folder, top to bottom as
//! `docs/security.md` tells it.
//!
//! What the system cannot give is left out *by name*: each degradation is a note that `-v` and the
//! owner's log show, and a level below the one required ends the program before anything is read.

mod landlock;
mod level;
mod namespaces;
mod privileges;
mod seccomp;
mod self_test;

use std::os::fd::OwnedFd;

use rustix::fs::{openat, Mode, OFlags, CWD};

pub use level::Level;

use crate::incoming::Incoming;
use crate::{Error, Identity};

/// What is asked of the jail.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// The least level to run with.
    pub required: Option<Level>,
    /// Files that are there must be readable (`--on-conflict skip-identical`).
    pub read_files: bool,
    /// The program has to be able to sleep (`--wait-for-space`).
    pub wait: bool,
}

/// The proof that the jail was entered, and what is inside of it: the incoming folder.
#[derive(Debug)]
pub struct Jailed {
    /// The incoming folder, readable.
    pub(crate) root: OwnedFd,
    /// The kernel follows no link on this mount, so paths of several components are safe.
    pub(crate) no_links_followed: bool,
    /// What was reached.
    pub level: Option<Level>,
    /// What the system could not give.
    pub notes: Vec<String>,
}

impl Jailed {
    /// No jail at all, for tests and fuzzing of what works inside of one.
    #[must_use]
    pub fn not_at_all_for_tests(root: OwnedFd) -> Self {
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
pub fn enter(incoming: Incoming, identity: &Identity, wishes: Wishes) -> Result<Jailed, Error> {
    let mut notes = Vec::new();
    let outside = self_test::Outside::open()?;
    privileges::keep_what_builds_the_jail()?; // 5
    let walls = namespaces::enter(&incoming, identity, &mut notes); // 6, 7, 8
    privileges::become_the_user(identity)?; // 9
    let root = open_root(&incoming, walls.level)?;
    drop(incoming);
    let landlock = landlock::confine(&root, wishes.read_files, &mut notes)?; // 10
    let level = match (walls.level, landlock) {
        (Some(level), _) => Some(level),
        (None, true) => Some(Level::Landlock),
        (None, false) => None,
    };
    let required = wishes.required.unwrap_or(Level::Landlock);
    if level < Some(required) {
        return Err(Error::Isolation(level, required, notes));
    }
    seccomp::confine(wishes)?;
    self_test::run(outside, &root, walls.level.is_some(), landlock)?;
    Ok(Jailed {
        root,
        no_links_followed: walls.no_links_followed,
        level,
        notes,
    })
}

/// The folder for reading, because that is what `syncfs` needs; inside the jail it is `/`.
fn open_root(incoming: &Incoming, walls: Option<Level>) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match walls {
        Some(_) => openat(CWD, "/", flags, Mode::empty()),
        None => openat(&incoming.dir, ".", flags, Mode::empty()),
    }
    .map_err(|errno| Error::Jail("open the incoming folder", errno.into()))
}
