//! Where a service is: the called qube's own folder, then the project's `rpc/` if this program runs
//! from a build tree, else the folders that qrexec looks in.

use std::env;
use std::path::{Path, PathBuf};

use crate::args::Service;

const INSTALLED: [&str; 3] = [
    "/run/qubes-rpc",
    "/usr/local/etc/qubes-rpc",
    "/etc/qubes-rpc",
];

/// A build tree that this program runs from.
#[derive(Debug)]
pub(crate) struct BuildTree {
    /// Its service files.
    pub(crate) rpc: PathBuf,
    /// The folder of its programs, for `QFILE_LIBDIR`.
    pub(crate) programs: PathBuf,
}

impl BuildTree {
    /// The tree around this program: the closest folder above it with a `Cargo.toml` and an `rpc/`.
    #[must_use]
    pub(crate) fn around_this_program() -> Option<Self> {
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

/// The file of a service: `SERVICE+ARG` in any of the folders comes before `SERVICE` in any.
#[must_use]
pub(crate) fn find(
    service: &Service,
    qube_folder: &Path,
    tree: Option<&BuildTree>,
) -> Option<PathBuf> {
    find_in(&folders(qube_folder, tree), service)
}

/// Where services of a qube are looked for, in this order.
#[must_use]
pub(crate) fn folders(qube_folder: &Path, tree: Option<&BuildTree>) -> Vec<PathBuf> {
    let mut folders = vec![qube_folder.join("qubes-rpc")];
    match tree {
        Some(tree) => folders.push(tree.rpc.clone()),
        None => folders.extend(INSTALLED.map(PathBuf::from)),
    }
    folders
}

fn find_in(folders: &[PathBuf], service: &Service) -> Option<PathBuf> {
    [service.to_string(), service.name().to_owned()]
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_for_the_argument_comes_before_any_general_one() {
        let home = tempfile::tempdir().unwrap();
        let folders = ["first", "second"].map(|name| home.path().join(name));
        let write = |name: &str| {
            let file = home.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            file
        };
        let service = Service::parse("svc+arg").unwrap();
        assert_eq!(find_in(&folders, &service), None);
        for name in ["second/svc", "first/svc", "second/svc+arg", "first/svc+arg"] {
            let latest = write(name);
            assert_eq!(find_in(&folders, &service), Some(latest));
        }
        assert_eq!(
            find_in(&folders, &Service::parse("svc").unwrap()),
            Some(folders[0].join("svc"))
        );
        assert_eq!(
            find_in(&folders, &Service::parse("svc+other").unwrap()),
            Some(folders[0].join("svc"))
        );
    }

    #[test]
    fn a_service_without_argument_may_have_a_file_of_its_own_for_that() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("svc"), "").unwrap();
        fs::write(home.path().join("svc+"), "").unwrap();
        let folders = [home.path().to_owned()];
        let found = |text| find_in(&folders, &Service::parse(text).unwrap());
        assert_eq!(found("svc"), Some(home.path().join("svc+")));
        assert_eq!(found("svc+x"), Some(home.path().join("svc")));
    }

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
