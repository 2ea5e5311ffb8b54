//! Who wants to be told of what.

use std::collections::{BTreeMap, HashMap};

use qubesdb::Path;

use crate::core::ClientId;

/// The watches of all clients, by path: a change is looked up once for each folder above it, and a
/// client that goes takes its own away, however many watches there are.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    // The numbers of a client's equal watches count up: the newest watch is told first.
    by_path: BTreeMap<Path, HashMap<ClientId, Vec<u64>>>,
    set: u64,
    count: usize,
}

impl Watches {
    /// How many watches there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn set(&mut self, path: Path, client: ClientId) {
        self.set += 1;
        self.count += 1;
        let of_path = self.by_path.entry(path).or_default();
        of_path.entry(client).or_default().push(self.set);
    }

    /// Takes away the newest watch of that path; whether there was one.
    pub(crate) fn unset(&mut self, path: &Path, client: ClientId) -> bool {
        let Some(of_path) = self.by_path.get_mut(path) else {
            return false;
        };
        let Some(numbers) = of_path.get_mut(&client) else {
            return false;
        };
        numbers.pop();
        self.count -= 1;
        if numbers.is_empty() {
            of_path.remove(&client);
        }
        if of_path.is_empty() {
            self.by_path.remove(path);
        }
        true
    }

    /// Takes away all watches of these paths that a client has set.
    pub(crate) fn forget(&mut self, client: ClientId, paths: &[Path]) {
        for path in paths {
            if let Some(of_path) = self.by_path.get_mut(path) {
                self.count -= of_path.remove(&client).map_or(0, |numbers| numbers.len());
                if of_path.is_empty() {
                    self.by_path.remove(path);
                }
            }
        }
    }

    /// Whom to tell that `changed` was written or removed: once for each watch, newest first.
    pub(crate) fn of(&self, changed: &Path) -> Vec<ClientId> {
        if self.by_path.is_empty() {
            return Vec::new();
        }
        let above = changed
            .folders()
            .filter_map(|folder| self.by_path.get(&folder));
        let exact = self.by_path.get(changed);
        let mut watches: Vec<(u64, ClientId)> = above
            .chain(exact)
            .flatten()
            .flat_map(|(client, numbers)| numbers.iter().map(|number| (*number, *client)))
            .collect();
        watches.sort_unstable_by(|one, other| other.cmp(one));
        watches.into_iter().map(|(_, client)| client).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_means_its_path_or_all_below() {
        let mut watches = Watches::default();
        let path = |text: &str| text.parse::<Path>().unwrap();
        let watched = ["/a", "/a/", "/", "/a/b", "/a"];
        for (client, text) in (1..).zip(watched) {
            watches.set(path(text), ClientId(client));
        }
        let told = |watches: &Watches, text| -> Vec<u64> {
            watches
                .of(&path(text))
                .iter()
                .map(|client| client.0)
                .collect()
        };
        assert_eq!(told(&watches, "/a"), [5, 3, 1]);
        assert_eq!(told(&watches, "/a/b"), [4, 3, 2]);
        assert_eq!(told(&watches, "/ab"), [3]);
        // The removal of a folder: no watch below is told.
        assert_eq!(told(&watches, "/a/"), [3, 2]);
        assert_eq!(told(&watches, "/"), [3]);
        assert!(watches.unset(&path("/a"), ClientId(5)));
        assert!(!watches.unset(&path("/a"), ClientId(5)));
        watches.forget(ClientId(3), &[path("/")]);
        assert_eq!(told(&watches, "/a"), [1]);
        assert_eq!(watches.count(), 3);
    }
}
