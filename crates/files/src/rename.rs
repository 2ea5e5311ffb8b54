//! Renaming that replaces nothing.
//!
//! `RENAME_NOREPLACE` (renameat2(2)) does that in one call. Many file systems do not have it: most
//! of FUSE, among it NTFS-3G and SFTP, NFS, and some of memory sticks. For those each caller says
//! what is to be done.

use std::os::fd::AsFd;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, linkat, openat, renameat, renameat_with, statat,
    unlinkat,
};
use rustix::io::Errno;
use rustix::path::Arg;

/// "Not supported" where the kernel does not translate it for user space (include/linux/errno.h).
const ENOTSUPP: Errno = Errno::from_raw_os_error(524);

/// What is done where a file system cannot rename without replacing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing: the error says so ([`is_unsupported`]).
    None,
    /// The name is looked up, then a plain rename. What takes the name in between is replaced, so
    /// this is for names that nobody else uses.
    Look,
    /// A second name is given by link(2), which never replaces anything, and the first removed. A
    /// folder cannot have a second name: `Look`. The kernel replaces no file by a folder, and no
    /// folder that is not empty.
    Link,
    /// For files only. The name is taken with an empty file, which is then replaced. Needs no links;
    /// what another program writes into that empty file in between is lost.
    Claim,
}

/// Renames `from` to `to`, both single components in `folder`.
///
/// # Errors
/// `EEXIST` if the name is taken; those of the calls. Then nothing has changed, except that with
/// [`Fallback::Link`] it may have both names, if the first cannot be removed.
pub fn rename_new(
    folder: impl AsFd,
    from: impl Arg + Copy,
    to: impl Arg + Copy,
    fallback: Fallback,
) -> Result<(), Errno> {
    match renameat_with(&folder, from, &folder, to, RenameFlags::NOREPLACE) {
        Err(errno) if is_unsupported(errno) => fall_back(folder, from, to, fallback, errno),
        result => result,
    }
}

/// True if a file system, or the kernel, may only lack the flag. What filters system calls answers
/// `EPERM`; if it is meant, the next call answers it again.
#[must_use]
pub fn is_unsupported(errno: Errno) -> bool {
    let lacks = [
        Errno::INVAL,
        Errno::NOSYS,
        Errno::OPNOTSUPP,
        Errno::PERM,
        ENOTSUPP,
    ];
    lacks.contains(&errno)
}

fn fall_back(
    folder: impl AsFd,
    from: impl Arg + Copy,
    to: impl Arg + Copy,
    fallback: Fallback,
    why: Errno,
) -> Result<(), Errno> {
    match fallback {
        Fallback::None => Err(why),
        Fallback::Look => match statat(&folder, to, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => renameat(&folder, from, &folder, to),
            Err(errno) => Err(errno),
            Ok(_) => Err(Errno::EXIST),
        },
        Fallback::Link => {
            let found = statat(&folder, from, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                return fall_back(folder, from, to, Fallback::Look, why);
            }
            linkat(&folder, from, &folder, to, AtFlags::empty())?;
            unlinkat(&folder, from, AtFlags::empty())
        }
        Fallback::Claim => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            drop(openat(&folder, to, flags, Mode::RUSR | Mode::WUSR)?);
            let renamed = renameat(&folder, from, &folder, to);
            if renamed.is_err() {
                unlinkat(&folder, to, AtFlags::empty())?;
            }
            renamed
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    const ALL: [Fallback; 4] = [
        Fallback::None,
        Fallback::Look,
        Fallback::Link,
        Fallback::Claim,
    ];

    /// A folder with the files `a` and `b`, which hold their names, and its descriptor.
    fn folder() -> (tempfile::TempDir, File) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let opened = File::open(folder.path()).unwrap();
        (folder, opened)
    }

    /// The two ways to rename: as this file system can, and as one can that lacks the call.
    fn ways(from: &str, to: &str, fallback: Fallback, opened: &File) -> [Result<(), Errno>; 2] {
        [
            rename_new(opened, from, to, fallback),
            fall_back(opened, from, to, fallback, Errno::INVAL),
        ]
    }

    #[test]
    fn a_name_that_is_taken_stays_what_it_is() {
        let (folder, opened) = folder();
        symlink("nowhere", folder.path().join("dangling")).unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        for fallback in ALL {
            for taken in ["b", "dangling", "folder"] {
                let [direct, indirect] = ways("a", taken, fallback, &opened);
                assert_eq!(direct, Err(Errno::EXIST), "{taken}");
                let expected = match fallback {
                    Fallback::None => Errno::INVAL,
                    _ => Errno::EXIST,
                };
                assert_eq!(indirect, Err(expected), "{taken}, {fallback:?}");
            }
        }
        for name in ["a", "b"] {
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), name);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_name_that_is_free_is_had_on_every_file_system() {
        for fallback in [Fallback::Look, Fallback::Link, Fallback::Claim] {
            let (folder, opened) = folder();
            fall_back(&opened, "a", "new", fallback, Errno::INVAL).unwrap();
            assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"a");
            rename_new(&opened, "b", "newer", fallback).unwrap();
            assert_eq!(fs::read(folder.path().join("newer")).unwrap(), b"b");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn a_symbolic_link_is_renamed_itself() {
        for fallback in [Fallback::Look, Fallback::Link, Fallback::Claim] {
            let (folder, opened) = folder();
            symlink("b", folder.path().join("link")).unwrap();
            fall_back(&opened, "link", "new", fallback, Errno::INVAL).unwrap();
            let target = fs::read_link(folder.path().join("new")).unwrap();
            assert_eq!(target.to_str(), Some("b"));
            assert!(folder.path().join("link").symlink_metadata().is_err());
        }
    }

    #[test]
    fn a_folder_replaces_nothing_either() {
        let (folder, opened) = folder();
        fs::create_dir_all(folder.path().join("folder/inner")).unwrap();
        fs::create_dir(folder.path().join("empty")).unwrap();
        for taken in ["b", "empty"] {
            for result in ways("folder", taken, Fallback::Link, &opened) {
                assert_eq!(result, Err(Errno::EXIST), "{taken}");
            }
        }
        fall_back(&opened, "folder", "new", Fallback::Link, Errno::INVAL).unwrap();
        assert!(folder.path().join("new/inner").is_dir());
    }

    #[test]
    fn a_claim_that_comes_to_nothing_is_given_up() {
        let (folder, opened) = folder();
        let missing = fall_back(&opened, "missing", "new", Fallback::Claim, Errno::INVAL);
        assert_eq!(missing, Err(Errno::NOENT));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
