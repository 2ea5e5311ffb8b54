//! Deletion by a manifest: only by one that is whole, and only what stands in its place.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use commands::remove::{Removal, remove};
use files::State;
use program::failure::Failure;
use rustix::fs::{AtFlags, CWD, statat};
use transfer::manifest::{Kind, Writer};
use walk::Links;

fn state(path: &Path) -> State {
    State::from(statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).unwrap())
}

/// A manifest of the folder `home` and `names` in it.
fn manifest(home: &Path, names: &[&str]) -> Vec<u8> {
    let base = [home.as_os_str().as_bytes(), b"/"].concat();
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.record(Kind::Base, &base, &state(home)).unwrap();
    for name in names {
        let path = home.join(name);
        let bytes = path.as_os_str().as_bytes();
        writer.record(Kind::Entry, bytes, &state(&path)).unwrap();
    }
    writer.finish().unwrap()
}

fn remove_by(manifest: &[u8], arguments: &[&str]) -> Result<(), Failure> {
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(manifest).unwrap();
    remove(Removal {
        manifest: file,
        links: Links::Send,
        arguments: arguments
            .iter()
            .map(|path| path.as_bytes().to_vec())
            .collect(),
        landed: None,
        exclude: None,
        deadline: None,
    })
}

#[test]
fn a_manifest_that_was_cut_deletes_nothing() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("d")).unwrap();
    for name in ["d/a", "b"] {
        fs::write(home.path().join(name), "").unwrap();
    }
    let whole = manifest(home.path(), &["d", "d/a", "b"]);
    for len in 0..whole.len() {
        let ending = remove_by(&whole[..len], &["d", "b"]).unwrap_err();
        assert_eq!(ending.status(), 3);
        assert!(ending.to_string().contains("cannot be read"), "{}", ending);
        assert!(home.path().join("d/a").exists() && home.path().join("b").exists());
    }
    assert_eq!(remove_by(&whole, &["d", "b"]), Ok(()));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

/// Names that would lead elsewhere, and entries that stand in nothing.
#[test]
fn a_manifest_that_no_agent_writes_deletes_nothing() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("d")).unwrap();
    fs::write(home.path().join("d/a"), "").unwrap();
    for names in [["d/a", "d"], ["d", "d/../d/a"]] {
        let ending = remove_by(&manifest(home.path(), &names), &["d"]).unwrap_err();
        assert_eq!(ending.status(), 3);
        assert!(home.path().join("d/a").exists());
    }
}

#[test]
fn an_argument_that_is_not_in_the_manifest_is_told() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("a"), "").unwrap();
    let ending = remove_by(&manifest(home.path(), &["a"]), &["a", "x/b"]).unwrap_err();
    assert_eq!(ending.status(), 3);
    assert!(
        ending.to_string().contains("1 entry is not deleted here"),
        "{}",
        ending
    );
    assert!(ending.to_string().contains("\n    \"x/b\"\n"), "{}", ending);
    assert!(!home.path().join("a").exists());
}
