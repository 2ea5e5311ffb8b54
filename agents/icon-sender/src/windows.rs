//! Which windows there are, and whose icon has to be sent.
//!
//! A window waits at most once, however often its icon changes: what is sent is the icon that it has
//! when its turn comes. A window that changes its icon all the time therefore takes turns with the
//! others.

use std::collections::{BTreeMap, HashMap};

/// Most windows that are remembered. If there are more, the oldest is forgotten.
const MAX_WINDOWS: usize = 4096;

/// The windows that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    known: HashMap<u32, Window>,
    /// By the time since which they are known, and since which they wait.
    ages: BTreeMap<u64, u32>,
    waiting: BTreeMap<u64, u32>,
    ticks: u64,
}

#[derive(Debug)]
struct Window {
    known_since: u64,
    waits_since: Option<u64>,
    /// The digest of the icon that was sent last.
    sent: Option<u64>,
}

impl Windows {
    /// The icon of a window has to be looked at. Is the window new?
    pub(crate) fn look_at(&mut self, id: u32) -> bool {
        let now = self.tick();
        let is_new = !self.known.contains_key(&id);
        if is_new {
            self.make_room();
            self.ages.insert(now, id);
        }
        let window = self.known.entry(id).or_insert(Window {
            known_since: now,
            waits_since: None,
            sent: None,
        });
        if window.waits_since.is_none() {
            window.waits_since = Some(now);
            self.waiting.insert(now, id);
        }
        is_new
    }

    /// The window is gone, or cannot be seen any more.
    pub(crate) fn forget(&mut self, id: u32) {
        if let Some(window) = self.known.remove(&id) {
            self.ages.remove(&window.known_since);
            if let Some(since) = window.waits_since {
                self.waiting.remove(&since);
            }
        }
    }

    /// Is the window remembered?
    pub(crate) fn knows(&self, id: u32) -> bool {
        self.known.contains_key(&id)
    }

    /// The window that has waited longest. It waits no more.
    pub(crate) fn next(&mut self) -> Option<u32> {
        let (_, id) = self.waiting.pop_first()?;
        if let Some(window) = self.known.get_mut(&id) {
            window.waits_since = None;
        }
        Some(id)
    }

    /// Takes note that the icon with this digest is sent. False if it was the one sent last, so that it
    /// need not be.
    pub(crate) fn note_sent(&mut self, id: u32, digest: u64) -> bool {
        match self.known.get_mut(&id) {
            Some(window) => window.sent.replace(digest) != Some(digest),
            None => false,
        }
    }

    /// There is a new receiver, which knows no icon: all windows wait.
    pub(crate) fn look_at_all(&mut self) {
        let ids: Vec<u32> = self.ages.values().copied().collect();
        for id in ids {
            if let Some(window) = self.known.get_mut(&id) {
                window.sent = None;
            }
            self.look_at(id);
        }
    }

    fn make_room(&mut self) {
        let oldest = self.ages.values().next().copied();
        if let Some(oldest) = oldest.filter(|_| self.known.len() >= MAX_WINDOWS) {
            self.forget(oldest);
        }
    }

    fn tick(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(windows: &mut Windows) -> Vec<u32> {
        std::iter::from_fn(|| windows.next()).collect()
    }

    #[test]
    fn a_window_waits_once_and_the_one_that_waited_longest_is_next() {
        let mut windows = Windows::default();
        assert!(windows.look_at(1));
        assert!(windows.look_at(2));
        assert!(!windows.look_at(1));
        assert!(windows.look_at(3));
        assert_eq!(windows.next(), Some(1));
        assert!(!windows.look_at(1));
        assert_eq!(all(&mut windows), [2, 3, 1]);
        assert_eq!(windows.next(), None);
    }

    #[test]
    fn what_is_forgotten_waits_no_more_and_is_new_again() {
        let mut windows = Windows::default();
        windows.look_at(1);
        windows.look_at(2);
        assert!(windows.note_sent(1, 7));
        windows.forget(1);
        windows.forget(9);
        assert!(!windows.knows(1) && windows.knows(2));
        assert!(!windows.note_sent(1, 7));
        assert_eq!(all(&mut windows), [2]);
        assert!(windows.look_at(1));
        assert!(windows.note_sent(1, 7));
    }

    #[test]
    fn an_icon_is_sent_again_only_after_another_or_to_another_receiver() {
        let mut windows = Windows::default();
        windows.look_at(1);
        windows.look_at(2);
        all(&mut windows);
        assert!(windows.note_sent(1, 7));
        assert!(!windows.note_sent(1, 7));
        assert!(windows.note_sent(2, 7));
        assert!(windows.note_sent(1, 8));
        assert!(windows.note_sent(1, 7));
        windows.look_at(2);
        windows.look_at_all();
        assert_eq!(all(&mut windows), [2, 1]);
        assert!(windows.note_sent(1, 7));
    }

    #[test]
    fn windows_without_end_do_not_take_memory_without_end() {
        let mut windows = Windows::default();
        let more = u32::try_from(MAX_WINDOWS).unwrap() + 10;
        for id in 0..more {
            windows.look_at(id);
        }
        assert!(!windows.knows(9) && windows.knows(10));
        let first = windows.next();
        assert_eq!(first, Some(10));
        for map in [&windows.ages, &windows.waiting] {
            assert!(map.len() <= MAX_WINDOWS);
        }
        assert_eq!(windows.known.len(), MAX_WINDOWS);
    }

    proptest! {
        #[test]
        fn the_three_maps_agree(steps in proptest::collection::vec((0_u8..5, 0_u32..6), 0..100)) {
            let mut windows = Windows::default();
            for (step, id) in steps {
                match step {
                    0 | 1 => drop(windows.look_at(id)),
                    2 => windows.forget(id),
                    3 => drop(windows.next()),
                    _ => windows.look_at_all(),
                }
                prop_assert_eq!(windows.ages.len(), windows.known.len());
                let waiting = windows.known.values().filter(|window| window.waits_since.is_some());
                prop_assert_eq!(windows.waiting.len(), waiting.count());
                for (since, id) in &windows.waiting {
                    prop_assert_eq!(windows.known[id].waits_since, Some(*since));
                }
            }
        }
    }
}
