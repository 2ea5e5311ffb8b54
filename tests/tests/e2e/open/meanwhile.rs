//! What happens to the original while it is edited wins: it stays as somebody else has made it, and
//! the edit is kept beside it.

use std::fs;

use qfile_tests::editing::{Editing, NAME, NEW, OLD};
use qfile_tests::process::Finished;
use qfile_tests::suite;

suite! {
    an_original_that_was_changed_meanwhile_stays,
    an_original_that_was_replaced_meanwhile_stays,
    an_original_that_was_deleted_meanwhile_does_not_come_back,
    an_original_that_is_a_folder_now_stays,
    a_folder_that_was_renamed_meanwhile_gets_the_edit,
}

/// The edit is beside the original under this name, and both are named to the user.
#[track_caller]
fn assert_kept(editing: &Editing, opened: &Finished, kept: &str) {
    opened.assert_code(1);
    opened.assert_says(NAME);
    opened.assert_says(kept);
    assert_eq!(fs::read(editing.beside(kept)).unwrap(), NEW);
    editing.assert_nothing_left_there();
}

/// Something happens to the original while it is edited.
fn opened_while(happens: &str) -> (Editing, Finished) {
    let editing = Editing::new();
    let original = editing.file().display().to_string();
    editing.editor(&format!(
        "echo 'new content' > \"$1\"; set -- '{original}'; {happens}"
    ));
    let opened = editing.open();
    (editing, opened)
}

const KEPT: &str = "letter.txt.edited-in-disposable";

fn an_original_that_was_changed_meanwhile_stays() {
    let (editing, opened) = opened_while("echo theirs >> \"$1\"");
    assert_kept(&editing, &opened, KEPT);
    assert_eq!(editing.content(), [OLD, b"theirs\n"].concat());
    assert_eq!(editing.names(), [NAME, KEPT]);

    let (editing, opened) = opened_while("chmod 0640 \"$1\"");
    assert_kept(&editing, &opened, KEPT);
    assert_eq!(editing.content(), OLD);
}

fn an_original_that_was_replaced_meanwhile_stays() {
    let (editing, opened) = opened_while("cp -p \"$1\" \"$1.new\"; mv \"$1.new\" \"$1\"");
    assert_kept(&editing, &opened, KEPT);
    assert_eq!(editing.content(), OLD);
    assert_eq!(editing.names(), [NAME, KEPT]);
}

fn an_original_that_was_deleted_meanwhile_does_not_come_back() {
    let (editing, opened) = opened_while("rm \"$1\"");
    assert_kept(&editing, &opened, KEPT);
    assert_eq!(editing.names(), [KEPT]);
}

fn an_original_that_is_a_folder_now_stays() {
    let (editing, opened) = opened_while("rm \"$1\"; mkdir \"$1\"; echo x > \"$1/inside\"");
    assert_kept(&editing, &opened, KEPT);
    assert_eq!(fs::read(editing.file().join("inside")).unwrap(), b"x\n");
    assert_eq!(editing.names(), [NAME, KEPT]);
}

fn a_folder_that_was_renamed_meanwhile_gets_the_edit() {
    let editing = Editing::new();
    let (folder, moved) = (editing.elsewhere("folder"), editing.elsewhere("moved"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), OLD).unwrap();
    editing.editor("echo 'new content' > \"$1\"; mv \"$WORK/folder\" \"$WORK/moved\"");
    editing.open_path(&folder.join("file")).assert_code(0);
    assert_eq!(fs::read(moved.join("file")).unwrap(), NEW);
    assert_eq!(fs::read_dir(&moved).unwrap().count(), 1);
    assert!(!folder.exists());
}
