//! What has landed of a copy that stopped: a manifest to look entries up in, so that a second call
//! sends only the rest.
//!
//! Of a path and of a state only a hash with a random key is kept: a tree of a million files takes
//! some 30 MB.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read};

use files::State;

use crate::manifest::{AbsolutePaths, Kind, Reader};

/// What is known to have landed.
#[derive(Debug)]
pub struct Landed {
    /// The state in which it was sent, by its path.
    states: HashMap<[u64; 2], u64>,
    keys: [RandomState; 2],
    paths: AbsolutePaths,
}

/// What is known of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It has not landed.
    Nothing,
    /// It has landed, and is what it was then.
    Same,
    /// It has landed, and has changed since.
    Changed,
}

impl Landed {
    /// Reads a manifest of what has landed. Folders are not kept: one that is there already is merged
    /// into.
    ///
    /// # Errors
    /// Those of [`Reader`].
    pub fn read(input: impl Read) -> io::Result<Self> {
        let mut landed = Self {
            states: HashMap::new(),
            keys: Default::default(),
            paths: AbsolutePaths::default(),
        };
        let mut records = Reader::new(input)?;
        while let Some(record) = records.next()? {
            if record.kind == Kind::Entry && !record.state.is_folder() {
                let key = landed.key(record.path);
                let state = landed.hash(&record.state);
                landed.states.insert(key, state);
            }
        }
        Ok(landed)
    }

    /// What is known of `path`, absolute or relative to the working folder, in the state `now`.
    ///
    /// # Errors
    /// There is no path to the working folder.
    pub fn judge(&mut self, path: &[u8], now: &State) -> io::Result<Known> {
        let path = self.paths.absolute(path)?;
        Ok(match self.states.get(&self.key(&path)) {
            None => Known::Nothing,
            Some(state) if *state == self.hash(now) => Known::Same,
            Some(_) => Known::Changed,
        })
    }

    /// True if something has landed that has, or had, this absolute path.
    #[must_use]
    pub fn contains(&self, path: &[u8]) -> bool {
        self.states.contains_key(&self.key(path))
    }

    /// How many files and links have landed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// True if none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    fn key(&self, path: &[u8]) -> [u64; 2] {
        [0, 1].map(|index: usize| self.keys[index].hash_one(path))
    }

    fn hash(&self, state: &State) -> u64 {
        self.keys[0].hash_one(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use files::{FileId, Time};

    use crate::manifest::Writer;

    const STATE: State = State {
        id: FileId {
            device: 1,
            inode: 2,
        },
        mode: 0o100_644,
        size: 3,
        mtime: Time {
            seconds: 4,
            nanoseconds: 5,
        },
        ctime: Time {
            seconds: 6,
            nanoseconds: 7,
        },
    };

    #[test]
    fn whatever_changes_of_a_file_it_is_not_the_one_that_has_landed() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.record(Kind::Entry, b"/a/f", &STATE).unwrap();
        let bytes = writer.finish().unwrap();
        let mut landed = Landed::read(&*bytes).unwrap();
        assert_eq!(landed.judge(b"/a/f", &STATE).unwrap(), Known::Same);
        assert_eq!(landed.judge(b"/a/g", &STATE).unwrap(), Known::Nothing);
        let later = |time: Time| Time {
            nanoseconds: time.nanoseconds + 1,
            ..time
        };
        let changes: [State; 6] = [
            State {
                id: FileId {
                    device: 9,
                    ..STATE.id
                },
                ..STATE
            },
            State {
                id: FileId {
                    inode: 9,
                    ..STATE.id
                },
                ..STATE
            },
            State { mode: 9, ..STATE },
            State { size: 9, ..STATE },
            State {
                mtime: later(STATE.mtime),
                ..STATE
            },
            State {
                ctime: later(STATE.ctime),
                ..STATE
            },
        ];
        for changed in changes {
            assert_eq!(landed.judge(b"/a/f", &changed).unwrap(), Known::Changed);
        }
    }

    #[test]
    fn a_list_that_was_cut_is_none() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.record(Kind::Entry, b"/a/f", &STATE).unwrap();
        let bytes = writer.finish().unwrap();
        for len in 0..bytes.len() {
            assert!(Landed::read(&bytes[..len]).is_err(), "{len}");
        }
    }
}
