//! What the fuzz target does with the bytes that the fuzzer makes up.
//!
//! It lives here so that a unit test runs it over the committed corpus with the stable toolchain;
//! the target under `fuzz/` is one line.

use std::path::Component;

use crate::theme::Theme;

/// Reads the description of a theme.
///
/// # Panics
/// When something that must hold does not.
pub fn icon_theme(untrusted: &[u8]) {
    let Some(theme) = Theme::parse(untrusted) else {
        return;
    };
    let sizes = [0, 1, 512, u32::MAX];
    let counts = sizes.map(|size| theme.by_distance(size).count());
    assert_eq!(counts, [counts[0]; 4]);
    for folder in theme.by_distance(512) {
        let mut components = folder.components();
        assert!(components.all(|part| !matches!(part, Component::ParentDir | Component::RootDir)));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_is_harmless() {
        test_support::corpus("icon_theme", 1, super::icon_theme);
    }
}
