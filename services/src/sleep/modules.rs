//! The modules that cannot sleep: lists of the administrator, and what is loaded.

use std::collections::BTreeSet;

/// The longest name that is taken for one of a module (`MODULE_NAME_LEN`).
const MAX_LEN: usize = 64;

/// The name of a module, with `_` for `-`, as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Understands a word.
    ///
    /// `None` if no module can have this name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let begins = word.bytes().next().is_some_and(|byte| byte != b'-');
        let is_name = begins && word.len() < MAX_LEN && word.bytes().all(is_part);
        is_name.then(|| Self(word.replace('-', "_")))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The words of a list: lines that begin with `#` are left out. What is no name comes second.
#[must_use]
pub fn listed(text: &str) -> (Vec<Name>, Vec<&str>) {
    let mut names = Vec::new();
    let mut wrong = Vec::new();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    for word in lines.flat_map(str::split_whitespace) {
        match Name::parse(word) {
            Some(name) if names.contains(&name) => {}
            Some(name) => names.push(name),
            None => wrong.push(word),
        }
    }
    (names, wrong)
}

/// The names of the modules that are loaded, in `/proc/modules`.
#[must_use]
pub fn loaded(text: &str) -> BTreeSet<Name> {
    let first = |line: &str| line.split(' ').next().and_then(Name::parse);
    text.lines().filter_map(first).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        let (names, _) = listed(text);
        names.into_iter().map(|name| name.0).collect()
    }

    #[test]
    fn a_list_has_words_and_comments() {
        let text = "# for sleep\nehci-pci xhci_pci\n\n  iwlwifi\t# no comment\nxhci-pci\n#last";
        assert_eq!(
            names(text),
            ["ehci_pci", "xhci_pci", "iwlwifi", "no", "comment"]
        );
        assert_eq!(listed(text).1, ["#"]);
        for wrong in ["-r", "../x", "a;b", "é", "a=b", &"a".repeat(64)] {
            assert_eq!(listed(wrong), (vec![], vec![wrong]));
        }
    }

    #[test]
    fn names_are_compared_whole() {
        let loaded = loaded("iwlwifi_extra 1 0 - Live 0x0\nehci_pci 2 1 ehci_hcd, Live 0x0\n");
        assert!(loaded.contains(&Name::parse("ehci-pci").unwrap()));
        assert!(!loaded.contains(&Name::parse("iwlwifi").unwrap()));
        assert!(!loaded.contains(&Name::parse("ehci_hcd").unwrap()));
    }

    proptest! {
        #[test]
        fn a_name_is_never_an_option_or_a_path(text in any::<String>()) {
            let (names, _) = listed(&text);
            for name in names.iter().chain(&loaded(&text)) {
                prop_assert!(!name.as_str().starts_with('-') && !name.as_str().contains('/'));
            }
        }
    }
}
