//! Where the built programs are: beside the folder of the test that is running.

use std::env;
use std::path::{Path, PathBuf};

/// The folder of the built programs, `target/PROFILE`: a test stands in its `deps/`.
#[must_use]
pub fn folder() -> PathBuf {
    let test = env::current_exe().expect("a running program has a path");
    test.ancestors()
        .nth(2)
        .expect("a test stands in target/PROFILE/deps")
        .to_owned()
}

/// The built program `name`.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.is_file(),
        "{} is not built: run `make test`, or `cargo build --workspace` before `cargo test`",
        path.display()
    );
    path
}

/// A file of the project, by its path in the repository.
#[must_use]
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate stands in the workspace")
        .join(path)
}

/// The project's service files.
#[must_use]
pub fn rpc_folder() -> PathBuf {
    source("rpc")
}
