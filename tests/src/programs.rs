//! Where the built programs are: beside the folder of the test that is running.

use std::env;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// The program that is told apart by the name that it is called by, and its other names.
const QVM_COPY: &str = "qvm-copy";
const OTHER_NAMES: [&str; 3] = ["qvm-copy-to-vm", "qvm-move", "qvm-move-to-vm"];

/// The folder of the built programs, `target/PROFILE`, under all their names: a test stands in its
/// `deps/`.
#[must_use]
pub fn folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let test = env::current_exe().expect("a running program has a path");
        let folder = test.ancestors().nth(2);
        let folder = folder.expect("a test stands in target/PROFILE/deps");
        for name in OTHER_NAMES {
            link(&folder.join(name));
        }
        folder.to_owned()
    };
    FOLDER.get_or_init(find).clone()
}

/// Makes `name` a link to the program beside it, in one step: other tests may be using it.
fn link(name: &Path) {
    if fs::read_link(name).is_ok_and(|target| target == Path::new(QVM_COPY)) {
        return;
    }
    let new = name.with_extension(std::process::id().to_string());
    symlink(QVM_COPY, &new)
        .and_then(|()| fs::rename(&new, name))
        .expect("the folder of the built programs can be written");
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

/// The built program `name`, and a path that leads to it as long as the file is open: also where a
/// test mounts something over the folder of the programs, such as `/tmp`.
#[must_use]
pub fn opened_program(name: &str) -> (File, PathBuf) {
    let file = File::open(program(name)).expect("a built program can be read");
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    (file, path.into())
}

/// A folder with the manual pages of this build, as man(1) finds them.
#[must_use]
pub fn manual() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut generate = Command::new(program("dev"));
    let status = generate.arg("manual").arg(folder.path()).status();
    assert!(status.is_ok_and(|status| status.success()));
    folder
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
