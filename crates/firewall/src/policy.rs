//! All that is written about one address.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::Family;
use crate::error::PolicyError;
use crate::host_name::HostName;
use crate::line::Line;
use crate::rule::{Action, Destination, Rule};

/// Most rules of one address: their numbers have four digits.
pub const MAX_RULES: usize = 10_000;

/// The rules of one address, in their order, and what happens to a packet that none matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    family: Family,
    rules: Vec<Rule>,
    default: Action,
}

impl Policy {
    /// Reads the entries below `/qubes-firewall/ADDR/`, in any order: the name of each behind that,
    /// and its value.
    ///
    /// # Errors
    /// An entry is not understood, or `policy` is missing: the address is to be blocked.
    pub fn parse<'a>(
        family: Family,
        untrusted_entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, PolicyError> {
        let mut default = None;
        let mut rules = BTreeMap::new();
        for (key, value) in untrusted_entries {
            if key == b"policy" {
                default = Some(Action::parse(value).ok_or(PolicyError::BadPolicy)?);
                continue;
            }
            let number = rule_number(key).ok_or_else(|| PolicyError::Key(key.to_vec()))?;
            let rule =
                Rule::parse(family, value).map_err(|error| PolicyError::Rule(number, error))?;
            rules.insert(number, rule);
        }
        Ok(Self {
            family,
            rules: rules.into_values().collect(),
            default: default.ok_or(PolicyError::NoPolicy)?,
        })
    }

    /// The family of its address.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The lines of its chain, the policy last.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        self.rules
            .iter()
            .flat_map(|rule| rule.lines(self.family))
            .chain([Line::last(self.default)])
    }

    /// The names whose addresses it needs.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<HostName> {
        let destinations = self.rules.iter().filter_map(Rule::destination);
        destinations
            .filter_map(|destination| match destination {
                Destination::Host(name) => Some(name.clone()),
                Destination::Net(_) => None,
            })
            .collect()
    }
}

/// Four digits.
fn rule_number(key: &[u8]) -> Option<u16> {
    let is_number = key.len() == 4 && key.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(key).ok()?;
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(entries: &[(&str, &str)]) -> Result<Policy, PolicyError> {
        let entries = entries.iter();
        let entries = entries.map(|(key, value)| (key.as_bytes(), value.as_bytes()));
        Policy::parse(Family::V4, entries)
    }

    #[test]
    fn rules_are_ordered_by_their_numbers_and_gaps_are_normal() {
        let policy = parse(&[
            ("0012", "action=drop"),
            ("policy", "accept"),
            ("0003", "action=accept dsthost=b"),
            ("9999", "action=accept dsthost=a"),
        ])
        .unwrap();
        let actions: Vec<_> = policy.rules.iter().map(Rule::action).collect();
        assert_eq!(actions, [Action::Accept, Action::Drop, Action::Accept]);
        assert_eq!(policy.default, Action::Accept);
        let hosts: Vec<_> = policy.hosts().iter().map(HostName::to_string).collect();
        assert_eq!(hosts, ["a", "b"]);
        assert_eq!(policy.lines().count(), 4);
        assert_eq!(parse(&[("policy", "drop")]).unwrap().lines().count(), 1);
    }

    /// The rows of the table of errors that are about entries.
    #[test]
    fn anything_else_blocks_the_address() {
        assert_eq!(parse(&[]), Err(PolicyError::NoPolicy));
        assert_eq!(
            parse(&[("0000", "action=accept")]),
            Err(PolicyError::NoPolicy)
        );
        for bad in ["", "DROP", "drop ", "reject", "accept\n", "\u{0}"] {
            assert_eq!(
                parse(&[("policy", bad)]),
                Err(PolicyError::BadPolicy),
                "{bad:?}"
            );
        }
        for key in [
            "10000", "0", "000", "00000", "0000/x", "policy/x", "abcd", "+001", "", "-001",
        ] {
            let entries = [("policy", "drop"), (key, "action=drop")];
            let error = PolicyError::Key(key.as_bytes().to_vec());
            assert_eq!(parse(&entries), Err(error), "{key:?}");
        }
        for later in ["0001", "9999"] {
            let entries = [
                ("policy", "accept"),
                ("0000", "action=accept"),
                (later, "action=accept "),
            ];
            let error = parse(&entries).unwrap_err();
            assert!(matches!(error, PolicyError::Rule(_, _)), "{error}");
        }
        let error = parse(&[("policy", "drop"), ("0007", "action=drop dpi=NO")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "rule 0007, column 13: there is no such key"
        );
    }
}
