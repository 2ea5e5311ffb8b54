//! A file with more than one way to it: symbolic links stay, and every hard link sees the edit.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::Command;

use qfile_tests::editing::{Editing, NAME, NEW, OLD};
use qfile_tests::framed::{CHANGED, framed};
use qfile_tests::process::run;
use qfile_tests::suite;
use qfile_tests::user::{ORDINARY, needs_a_user, needs_root};

suite! {
    a_link_stays_a_link,
    a_chain_of_links_stays,
    all_names_of_a_file_with_several_see_the_edit,
    set_id_bits_stay_on_a_file_that_its_owner_rewrites [needs_a_user],
    set_id_bits_that_are_lost_to_a_rewrite_are_said [needs_root],
    a_file_of_somebody_else_is_rewritten_without_a_word [needs_root],
    a_file_with_several_names_that_may_not_be_written_stays [needs_a_user],
}

fn a_link_stays_a_link() {
    let editing = Editing::with_an_edit();
    let folder = editing.elsewhere("folder");
    fs::create_dir(&folder).unwrap();
    let link = folder.join("link");
    symlink(editing.file(), &link).unwrap();
    editing.open_path(&link).assert_code(0);
    editing.assert_only(NEW);
    assert_eq!(fs::read_link(&link).unwrap(), editing.file());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

fn a_chain_of_links_stays() {
    let editing = Editing::with_an_edit();
    symlink(NAME, editing.beside("second")).unwrap();
    symlink("second", editing.beside("first")).unwrap();
    editing.open_path(&editing.beside("first")).assert_code(0);
    assert_eq!(editing.content(), NEW);
    assert_eq!(editing.names(), ["first", NAME, "second"]);
    assert!(editing.beside("first").is_symlink() && editing.beside("second").is_symlink());
}

fn all_names_of_a_file_with_several_see_the_edit() {
    for (script, mode) in [
        ("echo 'new content' > \"$1\"", 0o4711),
        ("yes longer | head -c 300000 > \"$1\"", 0o2755),
    ] {
        let editing = Editing::new();
        editing.editor(script);
        let other = editing.elsewhere("other name");
        fs::hard_link(editing.file(), &other).unwrap();
        fs::set_permissions(&other, Permissions::from_mode(mode)).unwrap();
        let before = fs::metadata(&other).unwrap();
        let opened = editing.open();
        opened.assert_code(0);
        assert_eq!(opened.stderr(), "");
        let content = editing.content();
        assert!(content.starts_with(&NEW[..1]) || content.starts_with(b"longer"));
        editing.assert_only(&content);
        assert_eq!(fs::read(&other).unwrap(), content);
        let after = fs::metadata(&other).unwrap();
        assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()));
    }
}

/// A file with several names, and a command by which the ordinary user has it rewritten.
fn to_be_rewritten(owner: Option<u32>, group: Option<u32>, mode: u32) -> (Editing, Command) {
    let editing = Editing::new();
    fs::hard_link(editing.file(), editing.elsewhere("other name")).unwrap();
    editing.answers(&framed(CHANGED, NEW));
    let mut command = editing.command_in_target(&[]);
    editing.as_ordinary(&mut command);
    chown(editing.file(), owner, group).unwrap();
    fs::set_permissions(editing.file(), Permissions::from_mode(mode)).unwrap();
    (editing, command)
}

/// Has such a file rewritten; what is said, and the mode that it has then.
#[track_caller]
fn rewritten(owner: Option<u32>, group: Option<u32>, mode: u32) -> (String, u32) {
    let (editing, command) = to_be_rewritten(owner, group, mode);
    let opened = run(command);
    opened.assert_code(0);
    editing.assert_only(NEW);
    let other = editing.elsewhere("other name");
    assert_eq!(fs::read(&other).unwrap(), NEW);
    let now = fs::metadata(&other).unwrap().mode() & 0o7777;
    (opened.stderr(), now)
}

fn set_id_bits_stay_on_a_file_that_its_owner_rewrites() {
    for mode in [0o4755, 0o2755, 0o6711] {
        assert_eq!(rewritten(None, None, mode), (String::new(), mode));
    }
}

fn set_id_bits_that_are_lost_to_a_rewrite_are_said() {
    // The system gives them back only to the owner, and set-group-ID only to one who is in the group.
    for (owner, group, mode, left) in [
        (1, ORDINARY, 0o6775, 0o775),
        (ORDINARY, 1, 0o2755, 0o755),
        (ORDINARY, 1, 0o6755, 0o4755),
    ] {
        let (said, now) = rewritten(Some(owner), Some(group), mode);
        assert_eq!(now, left, "{said}");
        let lost = format!("could not be restored: its mode {mode:04o} (it has {left:04o})");
        assert!(said.contains(&lost), "{said}");
    }
}

fn a_file_of_somebody_else_is_rewritten_without_a_word() {
    assert_eq!(
        rewritten(Some(1), Some(ORDINARY), 0o664),
        (String::new(), 0o664)
    );
}

fn a_file_with_several_names_that_may_not_be_written_stays() {
    const KEPT: &str = "letter.txt.edited-in-vault";
    let (editing, command) = to_be_rewritten(None, None, 0o444);
    let opened = run(command);
    opened.assert_code(1);
    opened.assert_says(KEPT);
    assert_eq!(editing.content(), OLD);
    assert_eq!(fs::read(editing.beside(KEPT)).unwrap(), NEW);
    assert_eq!(editing.names(), [NAME, KEPT]);
}
