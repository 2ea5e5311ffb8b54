//! A walk through a tree by descriptors, two at a time.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// On the way in; of a file or link the only one.
    Before,
    /// On the way out of a folder.
    After,
}

pub(super) struct Step<'a> {
    pub(super) moment: Moment,
    pub(super) depth: usize,
    pub(super) parent: BorrowedFd<'a>,
    pub(super) name: &'a CString,
    pub(super) stat: &'a Stat,
    /// A folder that is not entered.
    pub(super) closed: bool,
}

/// Walks through everything in `root` but the folder with the components `closed`, depth first,
/// names sorted, with two descriptors at a time: the way back is `..`, so nothing else may move
/// folders of this tree meanwhile.
pub(super) fn walk(
    root: &Path,
    closed: Option<&[&[u8]]>,
    visit: &mut dyn FnMut(&Step<'_>) -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    let mut here = open_folder(CWD, root.as_os_str().as_bytes())?;
    let mut waiting = vec![names_in(&here)?];
    let mut path: Vec<(CString, Stat)> = Vec::new();
    while let Some(names) = waiting.last_mut() {
        if let Some(name) = names.pop() {
            let stat = statat(&here, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            let closed = closed.is_some_and(|closed| {
                let above = path.iter().map(|(name, _)| name);
                let components = above.chain([&name]).map(|name| name.to_bytes());
                components.eq(closed.iter().copied())
            });
            visit(&Step {
                moment: Moment::Before,
                depth: path.len(),
                parent: here.as_fd(),
                name: &name,
                stat: &stat,
                closed,
            })?;
            if is_folder(&stat) && !closed {
                here = open_folder(here.as_fd(), name.as_bytes())?;
                waiting.push(names_in(&here)?);
                path.push((name, stat));
            }
        } else {
            waiting.pop();
            if let Some((name, stat)) = path.pop() {
                here = open_folder(here.as_fd(), b"..")?;
                visit(&Step {
                    moment: Moment::After,
                    depth: path.len(),
                    parent: here.as_fd(),
                    name: &name,
                    stat: &stat,
                    closed: false,
                })?;
            }
        }
    }
    Ok(())
}

/// The names in a folder, the last first.
pub(super) fn names_in(folder: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let mut names = Dir::read_from(folder)?
        .map(|entry| entry.map(|entry| entry.file_name().to_owned()))
        .filter(|name| !matches!(name.as_deref().map(|n| n.to_bytes()), Ok(b"." | b"..")))
        .collect::<Result<Vec<CString>, Errno>>()?;
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

pub(super) fn open_folder(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open_quietly(parent, name, flags)
}

/// Opens without leaving a time of access, where this user may.
pub(super) fn open_quietly(
    parent: BorrowedFd<'_>,
    name: &[u8],
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    let name = OsStr::from_bytes(name);
    match openat(parent, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(parent, name, flags, Mode::empty()),
        other => other,
    }
}

pub(super) fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}
