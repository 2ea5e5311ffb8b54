//! What the fuzz target `keyboard_layout` asserts.

use crate::layout::Layout;

/// Whatever the key holds, only known options of setxkbmap have an argument, and no argument is an
/// option, a path, or a pattern.
///
/// # Panics
/// It is otherwise.
pub fn value(untrusted_value: &[u8]) {
    let Ok(layout) = Layout::parse(untrusted_value) else {
        return;
    };
    for pair in layout.arguments().chunks(2) {
        let [option, argument] = pair else {
            panic!("{pair:?} is no option with an argument");
        };
        assert!(["-layout", "-variant", "-option"].contains(option));
        assert!(!argument.starts_with('-'), "{argument}");
        let is_harmless = |c: char| c.is_ascii_alphanumeric() || "_-:,".contains(c);
        assert!(argument.chars().all(is_harmless), "{argument}");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_corpus_holds() {
        test_support::corpus("keyboard_layout", 4, super::value);
    }
}
