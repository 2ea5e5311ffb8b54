//! What a file has beside its content stays when it is edited: mode, owner, ACL, extended attributes.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use qfile_tests::cannot_run::needs_program;
use qfile_tests::editing::{Editing, NEW};
use qfile_tests::framed::{CHANGED, framed};
use qfile_tests::process::run;
use qfile_tests::suite;
use qfile_tests::user::{ORDINARY, needs_root};

suite! {
    its_mode_stays,
    its_owner_stays [needs_root],
    an_owner_that_cannot_be_given_back_is_said [needs_root],
    its_acl_stays [needs_acl],
    an_acl_of_its_folder_does_not_get_on_it [needs_acl],
    its_extended_attributes_stay [needs_attributes],
}

fn needs_acl() -> Result<(), String> {
    needs_program("setfacl")?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let set = Command::new("setfacl")
        .args(["-m", "u:1:r"])
        .arg(folder.path())
        .output();
    match set.is_ok_and(|output| output.status.success()) {
        true => Ok(()),
        false => Err("needs a temporary folder with ACLs".to_owned()),
    }
}

fn needs_attributes() -> Result<(), String> {
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    xattr::set(file.path(), "user.test", b"x")
        .map_err(|_| "needs a temporary folder with extended attributes".to_owned())
}

fn its_mode_stays() {
    for mode in [0o600, 0o640, 0o444, 0o4751, 0o777] {
        let editing = Editing::with_an_edit();
        fs::set_permissions(editing.file(), Permissions::from_mode(mode)).unwrap();
        editing.assert_quietly_edited();
        let now = fs::metadata(editing.file()).unwrap().mode();
        assert_eq!(now & 0o7777, mode);
    }
}

fn its_owner_stays() {
    let editing = Editing::with_an_edit();
    chown(editing.file(), Some(ORDINARY), Some(1)).unwrap();
    fs::set_permissions(editing.file(), Permissions::from_mode(0o6755)).unwrap();
    editing.assert_quietly_edited();
    let now = fs::metadata(editing.file()).unwrap();
    assert_eq!((now.uid(), now.gid()), (ORDINARY, 1));
    assert_eq!(now.mode() & 0o7777, 0o6755);
}

fn an_owner_that_cannot_be_given_back_is_said() {
    let editing = Editing::with_an_edit();
    editing.answers(&framed(CHANGED, NEW));
    let mut command = editing.command_in_target(&[]);
    editing.as_ordinary(&mut command);
    chown(editing.file(), Some(1), Some(1)).unwrap();
    fs::set_permissions(editing.file(), Permissions::from_mode(0o6755)).unwrap();
    let opened = run(command);
    opened.assert_code(0);
    opened.assert_says("owner (uid 1)");
    opened.assert_says("group (gid 1)");
    editing.assert_only(NEW);
    let now = fs::metadata(editing.file()).unwrap();
    assert_eq!((now.uid(), now.mode() & 0o7777), (ORDINARY, 0o755));
}

fn acl_of(path: &Path) -> String {
    let got = Command::new("getfacl")
        .args(["--omit-header", "--absolute-names", "--numeric"])
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8(got.stdout).unwrap()
}

fn set_acl(path: &Path, entry: &str) {
    let set = Command::new("setfacl")
        .args(["-m", entry])
        .arg(path)
        .status();
    assert!(set.unwrap().success());
}

fn its_acl_stays() {
    let editing = Editing::with_an_edit();
    set_acl(editing.file(), "u:1:rw,u:65534:r,g:2:---,m::rw");
    let before = acl_of(editing.file());
    assert!(before.contains("user:1:rw-"), "{before}");
    editing.assert_quietly_edited();
    assert_eq!(acl_of(editing.file()), before);
}

fn an_acl_of_its_folder_does_not_get_on_it() {
    let editing = Editing::with_an_edit();
    let before = acl_of(editing.file());
    set_acl(editing.file().parent().unwrap(), "d:u:1:rw");
    editing.assert_quietly_edited();
    assert_eq!(acl_of(editing.file()), before);
}

fn its_extended_attributes_stay() {
    let editing = Editing::with_an_edit();
    let attributes: [(&str, &[u8]); 3] = [
        ("user.empty", b""),
        ("user.origin", b"http://example.org\0\xFF"),
        ("user.long", &[b'x'; 1000]),
    ];
    for (name, value) in attributes {
        xattr::set(editing.file(), name, value).unwrap();
    }
    editing.assert_quietly_edited();
    for (name, value) in attributes {
        assert_eq!(
            xattr::get(editing.file(), name).unwrap().as_deref(),
            Some(value)
        );
    }
}
