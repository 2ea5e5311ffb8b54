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
    use std::fs;

    #[test]
    fn the_committed_corpus_holds() {
        let corpus = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../fuzz/corpus/keyboard_layout"
        );
        let files = fs::read_dir(corpus).unwrap();
        let tried = files.map(|file| super::value(&fs::read(file.unwrap().path()).unwrap()));
        assert!(tried.count() >= 4);
    }
}
