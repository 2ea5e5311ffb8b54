//! What the fuzz target does with the bytes that the fuzzer makes up.
//!
//! It lives here so that a unit test runs it over the committed corpus with the stable toolchain;
//! the target under `fuzz/` is one line.

use std::path::Path;

use crate::Entry;
use crate::exec::{Codes, words};

/// Reads a desktop file and makes its command line.
///
/// # Panics
/// When something that must hold does not.
pub fn desktop_entry(untrusted: &[u8]) {
    let Ok(entry) = Entry::parse(untrusted.to_vec()) else {
        return;
    };
    for (key, value) in entry.pairs() {
        assert!(!key.is_empty() && !key.contains(&b'=') && !key.contains(&b'\n'));
        assert!(!value.contains(&b'\n'));
    }
    let mut twice = entry.clone();
    twice.replace_by(&entry);
    for (key, _) in entry.pairs() {
        assert_eq!(twice.raw(key), entry.raw(key));
    }
    let (icon, name) = (
        entry.string("Icon"),
        entry.localized("Name", &["de".to_owned()]),
    );
    let codes = Codes {
        icon: icon.as_deref(),
        name: name.as_deref(),
        file: Path::new("/a b"),
    };
    if let Ok(words) = words(&entry.string("Exec").unwrap_or_default(), &codes) {
        assert!(words.first().is_some_and(|program| !program.is_empty()));
        assert!(words.iter().all(|word| !word.contains(&0)));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_is_harmless() {
        test_support::corpus("desktop_entry", 5, super::desktop_entry);
    }
}
