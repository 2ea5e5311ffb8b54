//! What is known of each address.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use firewall::{Client, HostName, Policy, PolicyError};
use text::foreign;

use crate::names::Names;

/// Why an address is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// There are no entries: nothing has been asked for, and nobody needs to be told.
    NoEntries,
    /// An entry is not understood.
    Error(PolicyError),
    /// The same address has entries under two texts.
    TwoTexts,
    /// QubesDB gave no entries.
    NotRead(String),
    /// The kernel refused the rules.
    NotApplied(String),
    /// A name has no address.
    Name(HostName),
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEntries => f.write_str("there are no rules"),
            Self::Error(error) => error.fmt(f),
            Self::TwoTexts => f.write_str("it has rules under two texts of the same address"),
            Self::NotRead(error) => write!(f, "its rules cannot be read: {error}"),
            Self::NotApplied(error) => write!(f, "the kernel refused its rules: {error}"),
            Self::Name(name) => write!(
                f,
                "the name \"{}\" has no address",
                foreign(name.as_str().as_bytes())
            ),
        }
    }
}

/// What the kernel has for an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Chain {
    /// No chain. Packets of the address are dropped.
    #[default]
    Missing,
    /// A chain that rejects everything.
    Blocking,
    /// The rules.
    Rules,
}

/// One address.
#[derive(Debug)]
pub(crate) struct State {
    /// What is written about it.
    pub(crate) policy: Result<Policy, Blocked>,
    /// The texts of the address below which there are entries.
    pub(crate) texts: BTreeSet<String>,
    pub(crate) chain: Chain,
    /// Why it is blocked, as it was said last; `None`: it is not, or nothing was said.
    pub(crate) said: Option<Blocked>,
    /// Was the user told that it is blocked, since it was open last?
    pub(crate) is_told: bool,
    /// How often each text was asked for and not answered in `/qubes-firewall-handled/`.
    pub(crate) unanswered: BTreeMap<String, u64>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            policy: Err(Blocked::NoEntries),
            texts: BTreeSet::new(),
            chain: Chain::default(),
            said: None,
            is_told: false,
            unanswered: BTreeMap::new(),
        }
    }
}

impl State {
    /// The names that its rules need.
    pub(crate) fn hosts(&self) -> BTreeSet<HostName> {
        self.policy.as_ref().map(Policy::hosts).unwrap_or_default()
    }

    /// The rules, if they can be in force.
    pub(crate) fn in_force(&self, client: Client, names: &Names) -> Result<&Policy, Blocked> {
        let policy = self.policy.as_ref().map_err(Blocked::clone)?;
        let family = client.family();
        let unknown = policy
            .hosts()
            .into_iter()
            .find(|name| names.addresses(name, family).is_empty());
        match unknown {
            Some(name) => Err(Blocked::Name(name)),
            None => Ok(policy),
        }
    }

    /// Have all its names been looked up, found or not?
    pub(crate) fn is_settled(&self, names: &Names) -> bool {
        self.hosts().iter().all(|name| names.is_tried(name))
    }
}
