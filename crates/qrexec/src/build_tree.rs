//! The sources around a program that is not installed.

use std::env;
use std::path::{Path, PathBuf};

/// A build tree that this program runs from.
#[derive(Debug)]
pub struct BuildTree {
    /// Its service files.
    pub rpc: PathBuf,
    /// The folder of its programs, for `QFILE_LIBDIR`.
    pub programs: PathBuf,
}

impl BuildTree {
    /// The tree around this program: the closest folder above it with a `Cargo.toml` and an `rpc/`.
    #[must_use]
    pub fn around_this_program() -> Option<Self> {
        Self::around(&env::current_exe().ok()?)
    }

    fn around(program: &Path) -> Option<Self> {
        let is_tree =
            |folder: &&Path| folder.join("Cargo.toml").is_file() && folder.join("rpc").is_dir();
        let programs = program.parent()?.to_owned();
        let tree = programs.ancestors().find(is_tree)?;
        Some(Self {
            rpc: tree.join("rpc"),
            programs,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_build_tree_is_known_by_its_manifest_and_rpc_folder() {
        let tree = tempfile::tempdir().unwrap();
        let programs = tree.path().join("target/debug");
        fs::create_dir_all(&programs).unwrap();
        fs::create_dir(tree.path().join("rpc")).unwrap();
        let program = programs.join("qrexec-loopback");
        assert!(BuildTree::around(&program).is_none());
        fs::write(tree.path().join("Cargo.toml"), "").unwrap();
        let found = BuildTree::around(&program).unwrap();
        assert_eq!(found.rpc, tree.path().join("rpc"));
        assert_eq!(found.programs, programs);
    }
}
