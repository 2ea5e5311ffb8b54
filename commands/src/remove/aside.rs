//! An entry under a private name: put aside and given back within its folder, without ever
//! replacing anything.
//!
//! Where a file system cannot do that in one call, the way to the private name is a plain rename: it
//! holds a random number, so nobody else uses it, and it was looked up before. The way back leads to
//! a name that others use, so there a link is made. Where there are no links either, the private name
//! stays and is told.

use std::os::fd::BorrowedFd;

use files::{Fallback, Stat, State, rename_new};
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// Longest private name in bytes; some file systems take no more.
const MAX_PRIVATE_LEN: usize = 143;

/// How many numbers are drawn before a folder is taken to have all of them.
const MAX_DRAWS: usize = 8;

/// Makes private names.
#[derive(Debug)]
pub(super) struct PrivateNames {
    /// `.qvm-move-` and a random number.
    begin: String,
}

/// An entry under its private name.
#[derive(Debug)]
pub(super) struct Aside<'e> {
    folder: BorrowedFd<'e>,
    leaf: &'e [u8],
    name: Vec<u8>,
}

impl PrivateNames {
    /// Private names that nobody else uses.
    pub(super) fn new() -> Result<Self, Errno> {
        let mut names = Self {
            begin: String::new(),
        };
        names.draw()?;
        Ok(names)
    }

    /// Renames the entry `leaf` of `folder` to a private name, which nobody else uses: after a look
    /// at it with [`Fallback::Look`].
    pub(super) fn put_aside<'e>(
        &mut self,
        folder: BorrowedFd<'e>,
        leaf: &'e [u8],
        fallback: Fallback,
    ) -> Result<Aside<'e>, Errno> {
        for _ in 0..MAX_DRAWS {
            let name = self.name(leaf);
            match rename_new(folder, leaf, &*name, fallback) {
                Ok(()) => return Ok(Aside { folder, leaf, name }),
                Err(Errno::EXIST) => self.draw()?,
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::EXIST)
    }

    fn name(&self, leaf: &[u8]) -> Vec<u8> {
        let mut name = self.begin.clone().into_bytes();
        if name.len() + 1 + leaf.len() <= MAX_PRIVATE_LEN {
            name.push(b'-');
            name.extend_from_slice(leaf);
        }
        name
    }

    fn draw(&mut self) -> Result<(), Errno> {
        let mut number = [0; 8];
        getrandom(&mut number, GetRandomFlags::empty())?;
        self.begin = format!(".qvm-move-{:016x}", u64::from_le_bytes(number));
        Ok(())
    }
}

impl Aside<'_> {
    /// What stands there.
    pub(super) fn state(&self) -> Result<State, Errno> {
        Stat::fresh_at(self.folder, &*self.name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| stat.state)
    }

    /// Deletes it.
    pub(super) fn delete(&self, how: AtFlags) -> Result<(), Errno> {
        unlinkat(self.folder, &self.name, how)
    }

    /// Gives it back its own name.
    ///
    /// # Errors
    /// `EEXIST`: the name is taken. With all others than `ENOENT` it has its private name.
    pub(super) fn give_back(&self) -> Result<(), Errno> {
        let Self { folder, leaf, name } = self;
        rename_new(folder, &**name, *leaf, Fallback::Link)
    }

    /// The private name.
    pub(super) fn into_name(self) -> Vec<u8> {
        self.name
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd as _;

    use super::*;

    /// A folder, and its descriptor.
    fn folder() -> (tempfile::TempDir, File) {
        let folder = tempfile::tempdir().unwrap();
        let opened = File::open(folder.path()).unwrap();
        (folder, opened)
    }

    #[test]
    fn a_private_name_that_is_taken_is_not_used() {
        let (folder, opened) = folder();
        let mut names = PrivateNames::new().unwrap();
        let taken = String::from_utf8(names.name(b"letter")).unwrap();
        for fallback in [Fallback::None, Fallback::Look] {
            fs::write(folder.path().join(&taken), "theirs").unwrap();
            fs::write(folder.path().join("letter"), "mine").unwrap();
            let aside = names
                .put_aside(opened.as_fd(), b"letter", fallback)
                .unwrap();
            assert_ne!(aside.name, taken.as_bytes());
            aside.give_back().unwrap();
        }
        assert_eq!(fs::read(folder.path().join(&taken)).unwrap(), b"theirs");
        assert_eq!(fs::read(folder.path().join("letter")).unwrap(), b"mine");
    }

    #[test]
    fn a_private_name_tells_what_it_was_unless_that_is_too_long() {
        let names = PrivateNames::new().unwrap();
        assert!(names.name(b"letter").ends_with(b"-letter"));
        let long = names.name(&[b'n'; 255]);
        assert_eq!(long.len(), ".qvm-move-0123456789abcdef".len());
    }
}
