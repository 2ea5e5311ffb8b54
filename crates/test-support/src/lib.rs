//! What the unit tests of several crates need. No program is linked with it.
//!
//! [`corpus`] tries the committed inputs of a fuzz target, and [`confined`] what a confined process
//! can still do.

use std::fs;
use std::path::Path;

pub mod confined;

/// Runs the body of the fuzz target `target` with each input that is committed for it, of which there
/// are at least `at_least`.
///
/// # Panics
/// There are fewer, or one cannot be read.
pub fn corpus(target: &str, at_least: usize, mut body: impl FnMut(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let inputs = fs::read_dir(folder.join(target)).expect("the target has a corpus");
    let mut count = 0;
    for input in inputs {
        let path = input.expect("the corpus can be listed").path();
        body(&fs::read(path).expect("an input can be read"));
        count += 1;
    }
    assert!(count >= at_least, "{target}: only {count} inputs");
}
