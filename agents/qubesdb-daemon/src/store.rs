//! Keys and values, in the order of their bytes.

use std::collections::BTreeMap;
use std::ops::Bound;

use qubesdb::{Path, Value};

use crate::limits::Limits;

/// A limit on keys or bytes is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The keys of one qube.
#[derive(Debug)]
pub(crate) struct Store {
    entries: BTreeMap<Path, Value>,
    bytes: usize,
    most_entries: usize,
    most_bytes: usize,
}

impl Store {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            entries: BTreeMap::new(),
            bytes: 0,
            most_entries: limits.entries,
            most_bytes: limits.bytes,
        }
    }

    pub(crate) fn get(&self, path: &Path) -> Option<&Value> {
        self.entries.get(path)
    }

    /// Writes a key. A key that is there already can always be made shorter.
    pub(crate) fn write(&mut self, path: Path, value: Value) -> Result<(), Full> {
        let freed = self.entries.get(&path).map(|old| size(&path, old));
        let added = size(&path, &value);
        let bytes = self.bytes - freed.unwrap_or(0) + added;
        let is_growth = added > freed.unwrap_or(0);
        let is_one_more = freed.is_none();
        if is_growth && bytes > self.most_bytes
            || is_one_more && self.entries.len() >= self.most_entries
        {
            return Err(Full);
        }
        self.bytes = bytes;
        self.entries.insert(path, value);
        Ok(())
    }

    /// Removes a key or, if the path ends with `/`, all below; whether there was any.
    pub(crate) fn remove(&mut self, path: &Path) -> bool {
        if !path.is_folder() {
            return match self.entries.remove(path) {
                Some(old) => {
                    self.bytes -= size(path, &old);
                    true
                }
                None => false,
            };
        }
        let below: Vec<Path> = self.matching(path).map(|(path, _)| *path).collect();
        for path in &below {
            if let Some(old) = self.entries.remove(path) {
                self.bytes -= size(path, &old);
            }
        }
        !below.is_empty()
    }

    /// All keys that begin with `prefix`, in order.
    pub(crate) fn matching(&self, prefix: &Path) -> impl Iterator<Item = (&Path, &Value)> {
        self.matching_after(prefix, None)
    }

    /// The same from behind `last` on.
    pub(crate) fn matching_after(
        &self,
        prefix: &Path,
        last: Option<&Path>,
    ) -> impl Iterator<Item = (&Path, &Value)> {
        let from = last.map_or(Bound::Included(*prefix), |last| Bound::Excluded(*last));
        let entries = self.entries.range((from, Bound::Unbounded));
        let prefix = *prefix;
        entries.take_while(move |(path, _)| path.starts_with(&prefix))
    }

    /// All keys in reverse order, from before `last` on.
    pub(crate) fn all_before(&self, last: Option<&Path>) -> impl Iterator<Item = (&Path, &Value)> {
        let until = last.map_or(Bound::Unbounded, |last| Bound::Excluded(*last));
        self.entries.range((Bound::Unbounded, until)).rev()
    }
}

fn size(path: &Path, value: &Value) -> usize {
    path.as_bytes().len() + value.as_bytes().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    fn store(limits: &Limits, keys: &[&str]) -> Store {
        let mut store = Store::new(limits);
        for key in keys {
            store.write(path(key), Value::default()).unwrap();
        }
        store
    }

    fn texts<'a>(entries: impl Iterator<Item = (&'a Path, &'a Value)>) -> Vec<&'a str> {
        entries.map(|(path, _)| path.as_str()).collect()
    }

    #[test]
    fn a_prefix_is_text_and_a_folder_is_removed_without_the_key_of_its_name() {
        let mut store = store(&Limits::default(), &["/a", "/a/b", "/a/c", "/ab", "/b"]);
        assert_eq!(
            texts(store.matching(&path("/a"))),
            ["/a", "/a/b", "/a/c", "/ab"]
        );
        let after = path("/a/b");
        let rest = texts(store.matching_after(&path("/a"), Some(&after)));
        assert_eq!(rest, ["/a/c", "/ab"]);
        assert_eq!(texts(store.all_before(Some(&after))), ["/a"]);
        assert!(store.remove(&path("/a/")));
        assert!(!store.remove(&path("/a/")));
        assert_eq!(texts(store.matching(&Path::EMPTY)), ["/a", "/ab", "/b"]);
        assert!(store.remove(&path("/a")));
        assert!(store.remove(&path("/")));
        assert_eq!(store.bytes, 0);
        assert!(!store.remove(&path("/")));
    }

    #[test]
    fn a_full_store_takes_no_more_but_can_be_changed() {
        let limits = Limits {
            entries: 2,
            bytes: 10,
            ..Limits::default()
        };
        let mut store = store(&limits, &["/a", "/b"]);
        assert_eq!(store.write(path("/c"), Value::default()), Err(Full));
        let six = Value::parse(b"123456").unwrap();
        store.write(path("/a"), six.clone()).unwrap();
        let one = Value::parse(b"1").unwrap();
        assert_eq!(store.write(path("/b"), one), Err(Full));
        store.write(path("/a"), Value::default()).unwrap();
        store.write(path("/b"), six).unwrap();
    }
}
