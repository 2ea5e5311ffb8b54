//! When a name is looked up: at once, at the end of its time to live, and again after a failure.
//!
//! Nothing here waits or looks at a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use firewall::{Family, HostName};

/// Shortest and longest time between two lookups of a name that DNS answers.
const SHORTEST_TTL: Duration = Duration::from_secs(2);
const LONGEST_TTL: Duration = Duration::from_secs(86_400);

/// Time after the first failure; it doubles with each up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(64);

/// How long an answer is waited for.
const NO_ANSWER: Duration = Duration::from_secs(30);

/// Most names that are looked up at the same time.
const MAX_ASKED: usize = 64;

/// Most addresses of a name that are kept.
const MAX_ADDRESSES: usize = 512;

/// What the resolver says about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) name: HostName,
    /// The addresses, and for how long they are good; `None`: it could not be looked up.
    pub(crate) found: Option<(BTreeSet<IpAddr>, Duration)>,
}

/// The names that rules need.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: BTreeMap<HostName, Name>,
}

#[derive(Debug)]
struct Name {
    // How many addresses of qubes need it.
    users: usize,
    addresses: BTreeSet<IpAddr>,
    // Has it been looked up, with whatever end?
    is_tried: bool,
    failures: u32,
    // When to look it up, or, while it is, when to give up.
    due: Instant,
    is_asked: bool,
}

impl Names {
    /// One more address needs this name.
    pub(crate) fn need(&mut self, name: &HostName, now: Instant) {
        let name = self.names.entry(name.clone()).or_insert(Name {
            users: 0,
            addresses: BTreeSet::new(),
            is_tried: false,
            failures: 0,
            due: now,
            is_asked: false,
        });
        name.users += 1;
    }

    /// One address less needs it; is it the last one?
    pub(crate) fn release(&mut self, name: &HostName) -> bool {
        let Some(known) = self.names.get_mut(name) else {
            return false;
        };
        known.users = known.users.saturating_sub(1);
        let is_last = known.users == 0;
        if is_last {
            self.names.remove(name);
        }
        is_last
    }

    /// All names are to be looked up now.
    pub(crate) fn look_up_all(&mut self, now: Instant) {
        for name in self.names.values_mut() {
            name.is_asked = false;
            name.due = now;
        }
    }

    /// When there is something to do; `None`: there is no name.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let has_room = self.asked() < MAX_ASKED;
        let names = self.names.values();
        let due = names.filter(|name| name.is_asked || has_room);
        due.map(|name| name.due).min()
    }

    /// The names to be looked up now. What was asked for long ago has failed, and is asked again.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<HostName> {
        let mut room = MAX_ASKED - self.asked().min(MAX_ASKED);
        let mut taken = Vec::new();
        for (text, name) in self.names.iter_mut().filter(|(_, name)| name.due <= now) {
            if !name.is_asked && room == 0 {
                continue;
            }
            if name.is_asked {
                name.is_tried = true;
            } else {
                room -= 1;
            }
            name.is_asked = true;
            name.due = now + NO_ANSWER;
            taken.push(text.clone());
        }
        taken
    }

    fn asked(&self) -> usize {
        self.names.values().filter(|name| name.is_asked).count()
    }

    /// Takes in an answer; has anything changed that a rule depends on? Old addresses of a family
    /// are kept until there are new ones.
    pub(crate) fn take_in(&mut self, answer: Answer, now: Instant) -> bool {
        let Some(name) = self
            .names
            .get_mut(&answer.name)
            .filter(|name| name.is_asked)
        else {
            return false;
        };
        let was_tried = std::mem::replace(&mut name.is_tried, true);
        name.is_asked = false;
        let (found, ttl) = answer.found.unwrap_or_default();
        if found.is_empty() {
            let doubled = FIRST_PAUSE * 2_u32.pow(name.failures.min(6));
            name.due = now + doubled.min(LONGEST_PAUSE);
            name.failures += 1;
            return !was_tried;
        }
        name.failures = 0;
        name.due = now + ttl.clamp(SHORTEST_TTL, LONGEST_TTL);
        let mut addresses: BTreeSet<IpAddr> = found.into_iter().take(MAX_ADDRESSES).collect();
        for family in Family::ALL {
            let of_family = |address: &&IpAddr| Family::of(**address) == family;
            if !addresses.iter().any(|address| of_family(&address)) {
                let old = name.addresses.iter().filter(of_family).copied();
                addresses.extend(old);
            }
        }
        let has_changed = addresses != name.addresses;
        name.addresses = addresses;
        has_changed || !was_tried
    }

    /// Has the name been looked up, or could it not be?
    pub(crate) fn is_tried(&self, name: &HostName) -> bool {
        self.names.get(name).is_some_and(|name| name.is_tried)
    }

    /// The addresses of a family that the name stands for.
    pub(crate) fn addresses(&self, name: &HostName, family: Family) -> Vec<IpAddr> {
        let known = self.names.get(name).into_iter();
        let all = known.flat_map(|name| name.addresses.iter().copied());
        all.filter(|address| Family::of(*address) == family)
            .collect()
    }

    /// All names and their addresses, for the judge.
    pub(crate) fn all(&self) -> BTreeMap<HostName, BTreeSet<IpAddr>> {
        let names = self.names.iter();
        names
            .map(|(text, name)| (text.clone(), name.addresses.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    fn answer(text: &str, addresses: &[&str], ttl: u64) -> Answer {
        let addresses = addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        Answer {
            name: name(text),
            found: Some((addresses, Duration::from_secs(ttl))),
        }
    }

    fn failed(text: &str) -> Answer {
        Answer {
            name: name(text),
            found: None,
        }
    }

    #[test]
    fn a_name_is_looked_up_at_once_and_again_at_its_time() {
        let now = Instant::now();
        let mut names = Names::default();
        assert_eq!(names.next_due(), None);
        names.need(&name("a"), now);
        assert_eq!(names.take_due(now), [name("a")]);
        assert!(!names.is_tried(&name("a")));
        assert!(names.take_in(answer("a", &["192.0.2.1"], 60), now));
        assert!(names.is_tried(&name("a")));
        assert_eq!(names.next_due(), Some(now + Duration::from_secs(60)));
        let later = now + Duration::from_secs(60);
        assert_eq!(names.take_due(later), [name("a")]);
        assert!(!names.take_in(answer("a", &["192.0.2.1"], 0), later));
        assert_eq!(names.next_due(), Some(later + SHORTEST_TTL));
    }

    #[test]
    fn old_addresses_are_kept_until_new_ones_are_there() {
        let now = Instant::now();
        let mut names = Names::default();
        names.need(&name("a"), now);
        let _due = names.take_due(now);
        names.take_in(answer("a", &["192.0.2.1", "2001:db8::1"], 1), now);
        let known = |names: &Names, family| names.addresses(&name("a"), family).len();
        names.look_up_all(now);
        let _due = names.take_due(now);
        assert!(!names.take_in(failed("a"), now));
        assert_eq!(known(&names, Family::V4), 1);
        names.look_up_all(now);
        let _due = names.take_due(now);
        assert!(names.take_in(answer("a", &["192.0.2.2"], 1), now));
        assert_eq!(
            names.addresses(&name("a"), Family::V4),
            ["192.0.2.2".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(known(&names, Family::V6), 1);
    }

    #[test]
    fn after_failures_the_pauses_grow() {
        let mut now = Instant::now();
        let mut names = Names::default();
        names.need(&name("a"), now);
        let mut pauses = Vec::new();
        for is_first in [true, false, false, false, false, false, false, false] {
            let _due = names.take_due(now);
            assert_eq!(names.take_in(failed("a"), now), is_first);
            let due = names.next_due().unwrap();
            pauses.push((due - now).as_secs());
            now = due;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64]);
        let _due = names.take_due(now);
        assert_eq!(names.take_due(now), []);
        assert_eq!(names.take_due(now + NO_ANSWER), [name("a")]);
    }

    #[test]
    fn only_so_many_names_are_looked_up_at_the_same_time() {
        let now = Instant::now();
        let mut names = Names::default();
        for number in 0..100 {
            names.need(&name(&format!("n{number}")), now);
        }
        let asked = names.take_due(now);
        assert_eq!(asked.len(), MAX_ASKED);
        // Nothing is to be done before an answer comes, or none does.
        assert_eq!(names.next_due(), Some(now + NO_ANSWER));
        names.take_in(answer(asked[0].as_str(), &["192.0.2.1"], 60), now);
        assert_eq!(names.next_due(), Some(now));
        assert_eq!(names.take_due(now).len(), 1);
    }

    #[test]
    fn what_nobody_needs_or_asked_for_is_nothing() {
        let now = Instant::now();
        let mut names = Names::default();
        assert!(!names.take_in(answer("a", &["192.0.2.1"], 1), now));
        names.need(&name("a"), now);
        assert!(!names.take_in(answer("a", &["192.0.2.1"], 1), now));
        names.need(&name("a"), now);
        assert!(!names.release(&name("a")));
        assert!(names.release(&name("a")));
        assert_eq!(names.next_due(), None);
    }
}
