//! Which folders have been announced, so that each is announced once.
//!
//! A second header of a folder would mean that it is complete, and a receiver would give it the mode
//! of a file.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::ArchiveError;

/// How many folders are remembered: some 16 MiB of hashes.
const MAX_FOLDERS: usize = 1 << 20;

/// The folders that were announced. Of each only a hash is kept, so that memory has a bound: where
/// two have the same (2^-25 with as many folders as there can be), the receiver misses one and says
/// so.
#[derive(Debug, Default)]
pub struct Folders {
    hasher: RandomState,
    announced: HashSet<u64>,
    /// The name of the last file. The folders that the next one shares with it need no look.
    last: Vec<u8>,
}

impl Folders {
    /// The folders above the file `name` that are not announced yet, from the top down. They count
    /// as announced from now on.
    ///
    /// # Errors
    /// [`ArchiveError::Folders`].
    pub fn new_above<'n>(&mut self, name: &'n [u8]) -> Result<Vec<&'n [u8]>, ArchiveError> {
        let slashes = (0..name.len()).filter(|at| name[*at] == b'/');
        let mut new = Vec::new();
        for slash in slashes {
            // With its slash, or `ab` would count as a folder above `abc/d`.
            if self.last.starts_with(&name[..=slash]) {
                continue;
            }
            let folder = &name[..slash];
            if self.announced.insert(self.hasher.hash_one(folder)) {
                new.push(folder);
            }
        }
        if self.announced.len() > MAX_FOLDERS {
            return Err(ArchiveError::Folders);
        }
        self.last.clear();
        self.last.extend_from_slice(name);
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_folder_is_announced_once_and_before_what_is_in_it() {
        let mut folders = Folders::default();
        for (name, expected) in [
            ("file", &[][..]),
            ("a/b/file", &["a", "a/b"]),
            ("a/b/other", &[]),
            ("a/bc/file", &["a/bc"]),
            ("ab/file", &["ab"]),
            ("a/b/c/file", &["a/b/c"]),
            ("a/file", &[]),
            ("a/b/d/file", &["a/b/d"]),
        ] {
            let new = folders.new_above(name.as_bytes()).unwrap();
            let expected: Vec<_> = expected.iter().map(|folder| folder.as_bytes()).collect();
            assert_eq!(new, expected, "{name}");
        }
    }

    #[test]
    fn there_is_a_limit_on_folders() {
        let mut folders = Folders::default();
        for number in 0..MAX_FOLDERS {
            folders.new_above(format!("{number}/x").as_bytes()).unwrap();
        }
        assert!(matches!(
            folders.new_above(b"one/more"),
            Err(ArchiveError::Folders)
        ));
    }
}
