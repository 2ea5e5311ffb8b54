//! What depends on the state of the whole process, kept out of the way of the other tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod tree;

use std::fs;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tree::{Chain, arguments, make_file, steps};
use walk::Links;

/// One test: the working directory and the limits belong to the process, not to a thread.
#[test]
fn neither_a_new_working_directory_nor_a_limit_of_16_open_files_changes_a_walk() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(home.path().join("f"), "").unwrap();
    let chain = Chain::new(home.path(), 4000, |_| {});
    make_file(&chain.bottom, "1");
    std::env::set_current_dir(home.path()).unwrap();
    let arguments = arguments(&[Path::new("f"), Path::new("./d")]);
    std::env::set_current_dir(elsewhere.path()).unwrap();
    let limit = getrlimit(Resource::Nofile);
    let low = Rlimit {
        current: Some(16),
        ..limit
    };
    setrlimit(Resource::Nofile, low).unwrap();

    let found = steps(&arguments, Links::Send);

    setrlimit(Resource::Nofile, limit).unwrap();
    assert_eq!(found.len(), 1 + 2 * 4000 + 1);
    assert_eq!((&*found[0], &*found[8001]), ("ff", "-d"));
}
