//! Where a service is: the called qube's own folder, then the project's `rpc/` if this program runs
//! from a build tree, else the folders that qrexec looks in.

use std::path::{Path, PathBuf};

use qrexec::Service;
use qrexec::build_tree::BuildTree;
use qrexec::service::FOLDERS;

/// The file of a service: `SERVICE+ARG` in any of the folders comes before `SERVICE` in any.
#[must_use]
pub(crate) fn find(
    service: &Service,
    qube_folder: &Path,
    tree: Option<&BuildTree>,
) -> Option<PathBuf> {
    service.find_in(&folders(qube_folder, tree))
}

/// Where services of a qube are looked for, in this order.
#[must_use]
pub(crate) fn folders(qube_folder: &Path, tree: Option<&BuildTree>) -> Vec<PathBuf> {
    let mut folders = vec![qube_folder.join("qubes-rpc")];
    match tree {
        Some(tree) => folders.push(tree.rpc.clone()),
        None => folders.extend(FOLDERS.map(PathBuf::from)),
    }
    folders
}
