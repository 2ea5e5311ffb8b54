//! Which services are on.

use std::collections::{BTreeMap, BTreeSet};

use text::foreign;

use crate::keys::{QubeType, SERVICES, ServiceName, switch};

/// Those that are on without an entry, by the type of the qube.
fn defaults(kind: QubeType) -> &'static [&'static str] {
    match kind {
        QubeType::Net => &[
            "network-manager",
            "qubes-network",
            "qubes-update-check",
            "qubes-updates-proxy",
            "meminfo-writer",
            "qubes-firewall",
            "software-rendering",
        ],
        QubeType::Proxy => &[
            "qubes-network",
            "qubes-firewall",
            "qubes-update-check",
            "meminfo-writer",
            "software-rendering",
        ],
        QubeType::App => &[
            "qubes-update-check",
            "meminfo-writer",
            "tracker",
            "evolution-data-server",
            "software-rendering",
        ],
        QubeType::Template => &[
            "qubes-update-check",
            "meminfo-writer",
            "tracker",
            "evolution-data-server",
            "software-rendering",
            "updates-proxy-setup",
        ],
        QubeType::Disposable => &["meminfo-writer", "software-rendering"],
    }
}

/// What is known about the services: the type of the qube, and the entries of QubesDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Services {
    kind: QubeType,
    entries: BTreeMap<ServiceName, bool>,
}

impl Services {
    /// Those of a qube without entries.
    pub(crate) fn of(kind: QubeType) -> Self {
        Self {
            kind,
            entries: BTreeMap::new(),
        }
    }

    /// Takes in an entry. `Err`: why it is skipped; an earlier entry of the name stays.
    pub(crate) fn enter(
        &mut self,
        untrusted_name: &[u8],
        untrusted_value: &[u8],
    ) -> Result<ServiceName, String> {
        let skipped = |why| {
            format!(
                "key \"{SERVICES}{}\" is \"{}\": {why}, so it is skipped",
                foreign(untrusted_name),
                foreign(untrusted_value)
            )
        };
        let name = ServiceName::parse(untrusted_name).map_err(skipped)?;
        let is_on = switch(untrusted_value).map_err(skipped)?;
        self.entries.insert(name.clone(), is_on);
        Ok(name)
    }

    /// Forgets an entry: the default of the type counts again.
    pub(crate) fn forget(&mut self, name: &ServiceName) {
        self.entries.remove(name);
    }

    /// The type of the qube.
    pub(crate) fn kind(&self) -> QubeType {
        self.kind
    }

    /// The qube is of another type now.
    pub(crate) fn set_type(&mut self, kind: QubeType) {
        self.kind = kind;
    }

    /// Is this service on?
    pub(crate) fn is_on(&self, name: &ServiceName) -> bool {
        let default = || defaults(self.kind).contains(&name.as_str());
        self.entries.get(name).copied().unwrap_or_else(default)
    }

    /// Those that an entry or the type decides about, whether they are on or not.
    pub(crate) fn decided(&self) -> BTreeSet<ServiceName> {
        let of_type = defaults(self.kind).iter();
        let of_type = of_type.filter_map(|name| ServiceName::parse(name.as_bytes()).ok());
        of_type.chain(self.entries.keys().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(services: &Services) -> Vec<String> {
        let decided = services.decided().into_iter();
        let on = decided.filter(|name| services.is_on(name));
        on.map(|name| name.to_string()).collect()
    }

    #[test]
    fn every_default_is_the_name_of_a_service() {
        for kind in QubeType::ALL {
            let services = Services::of(kind);
            assert_eq!(services.decided().len(), defaults(kind).len(), "{kind:?}");
            assert_eq!(on(&services).len(), defaults(kind).len(), "{kind:?}");
        }
        let names = on(&Services::of(QubeType::Disposable));
        assert_eq!(names, ["meminfo-writer", "software-rendering"]);
    }

    #[test]
    fn an_entry_counts_more_than_the_default_and_falls_back_to_it() {
        let mut services = Services::of(QubeType::Disposable);
        let meminfo = services.enter(b"meminfo-writer", b"0").unwrap();
        let getty = services.enter(b"getty@tty", b"1").unwrap();
        services.enter(b"off", b"0").unwrap();
        assert_eq!(on(&services), ["getty@tty", "software-rendering"]);
        services.forget(&meminfo);
        services.forget(&getty);
        assert_eq!(on(&services), ["meminfo-writer", "software-rendering"]);
        services.set_type(QubeType::Net);
        assert!(on(&services).contains(&"network-manager".to_owned()));
    }

    #[test]
    fn what_is_skipped_is_said_and_changes_nothing() {
        let mut services = Services::of(QubeType::Disposable);
        services.enter(b"cups", b"1").unwrap();
        let before = services.clone();
        for (name, value) in [
            (&b"cups"[..], &b"yes\x1b[2J"[..]),
            (b"cups", b""),
            (b"../x", b"1"),
            (b"", b"1"),
            (b"a/b", b"1"),
        ] {
            let said = services.enter(name, value).unwrap_err();
            assert!(said.starts_with("key \"/qubes-service/"), "{said}");
            assert!(said.ends_with(", so it is skipped"), "{said}");
            assert!(!said.contains('\x1b'), "{said:?}");
        }
        assert_eq!(services, before);
    }
}
