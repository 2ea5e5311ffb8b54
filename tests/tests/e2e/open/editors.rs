//! A file edited in a disposable, by editors that save in every way there is.

use std::fs;

use qfile_tests::cannot_run::needs_program;
use qfile_tests::editing::{Editing, NAME, OLD};
use qfile_tests::suite;

suite! {
    an_editor_that_rewrites_in_place,
    an_editor_that_saves_by_rename,
    vim [needs_vim],
    sed,
    a_python_program [needs_python],
    an_editor_with_a_lock_file_as_libreoffice_has,
    an_edit_within_the_same_second_and_of_the_same_size,
    a_new_time_alone_is_no_change,
    the_same_content_saved_by_rename_is_no_change,
    nothing_done_is_nothing_sent,
    an_edit_that_empties_the_file_comes_back,
    an_empty_file_can_be_filled,
    a_file_that_was_deleted_is_said_and_the_original_stays,
    a_file_saved_under_another_name_is_named,
    a_link_in_place_of_the_file_is_not_followed,
    a_fifo_in_place_of_the_file_is_not_waited_for,
    temporary_files_and_closed_folders_are_removed,
    an_editor_that_fails_without_a_change,
    an_editor_that_fails_after_saving_loses_nothing,
    an_editor_that_is_killed_after_saving_loses_nothing,
    a_missing_editor_is_said,
    what_the_editor_prints_is_not_the_answer,
    the_editor_has_nothing_on_stdin,
    binary_content_comes_back_byte_by_byte,
}

fn needs_vim() -> Result<(), String> {
    needs_program("vim")
}

fn needs_python() -> Result<(), String> {
    needs_program("python3")
}

/// Opens the file with this editor; all must be well, and the new content in its place.
#[track_caller]
fn assert_edited(script: &str, new: &[u8]) {
    let editing = Editing::new();
    editing.editor(script);
    let opened = editing.open();
    opened.assert_code(0);
    assert_eq!((opened.stderr(), opened.stdout), (String::new(), vec![]));
    editing.assert_only(new);
}

/// Opens the file with this editor; something must be said that has `words`, and nothing changed.
#[track_caller]
fn assert_refused(script: &str, words: &[&str]) {
    let editing = Editing::new();
    editing.editor(script);
    let opened = editing.open();
    opened.assert_code(1);
    for word in words {
        opened.assert_says(word);
    }
    editing.assert_only(OLD);
}

fn an_editor_that_rewrites_in_place() {
    assert_edited("printf 'Dear friend,' > \"$1\"", b"Dear friend,");
}

fn an_editor_that_saves_by_rename() {
    assert_edited("printf new > \"$1.new\" && mv \"$1.new\" \"$1\"", b"new");
}

fn vim() {
    assert_edited(
        "exec vim -u NONE -es -c '%s/old/new/' -c wq \"$1\"",
        b"Dear new friend,\n",
    );
    assert_edited(
        "exec vim -u NONE -es -c 'set backupcopy=no backup' -c '%s/old/new/' -c wq \"$1\"",
        b"Dear new friend,\n",
    );
}

fn sed() {
    assert_edited("exec sed -i s/old/new/ \"$1\"", b"Dear new friend,\n");
}

fn a_python_program() {
    assert_edited(
        "exec python3 -c 'import sys; open(sys.argv[1], \"r+b\").write(b\"DEAR\")' \"$1\"",
        b"DEAR old friend,\n",
    );
}

fn an_editor_with_a_lock_file_as_libreoffice_has() {
    assert_edited(
        "cd \"$(dirname \"$1\")\" || exit
         name=$(basename \"$1\")
         echo ,me,,, > \".~lock.$name#\"
         printf saved > lu1234abcd.tmp
         mv lu1234abcd.tmp \"$name\"
         rm \".~lock.$name#\"",
        b"saved",
    );
}

fn an_edit_within_the_same_second_and_of_the_same_size() {
    assert_edited(
        "printf 'Dear new friend,\\n' > \"$1\"",
        b"Dear new friend,\n",
    );
}

fn a_new_time_alone_is_no_change() {
    let editing = Editing::new();
    let before = fs::metadata(editing.file()).unwrap().modified().unwrap();
    editing.editor("touch \"$1\"; chmod 600 \"$1\"");
    editing.open().assert_code(0);
    editing.assert_only(OLD);
    let after = fs::metadata(editing.file()).unwrap().modified().unwrap();
    assert_eq!(before, after, "nothing came back");
}

fn the_same_content_saved_by_rename_is_no_change() {
    let editing = Editing::new();
    let before = fs::metadata(editing.file()).unwrap().modified().unwrap();
    editing.editor("cp \"$1\" \"$1.new\"; mv \"$1.new\" \"$1\"");
    editing.open().assert_code(0);
    editing.assert_only(OLD);
    let after = fs::metadata(editing.file()).unwrap().modified().unwrap();
    assert_eq!(before, after, "nothing came back");
}

fn nothing_done_is_nothing_sent() {
    assert_edited("exit 0", OLD);
}

fn an_edit_that_empties_the_file_comes_back() {
    assert_edited(": > \"$1\"", b"");
}

fn an_empty_file_can_be_filled() {
    let editing = Editing::with(NAME.as_ref(), b"");
    editing.editor("printf filled > \"$1\"");
    editing.open().assert_code(0);
    editing.assert_only(b"filled");
}

fn a_file_that_was_deleted_is_said_and_the_original_stays() {
    assert_refused("rm \"$1\"", &["no longer exists", NAME]);
    assert_refused("rm \"$1\"; mkdir \"$1\"", &["no longer a regular file"]);
}

fn a_file_saved_under_another_name_is_named() {
    assert_refused(
        "mv \"$1\" \"$1.odt\"",
        &["no longer exists", "letter.txt.odt"],
    );
}

fn a_link_in_place_of_the_file_is_not_followed() {
    assert_refused(
        "rm \"$1\"; ln -s /etc/passwd \"$1\"",
        &["no longer a regular file", NAME],
    );
}

fn a_fifo_in_place_of_the_file_is_not_waited_for() {
    assert_refused(
        "rm \"$1\"; mkfifo \"$1\"",
        &["no longer a regular file", NAME],
    );
}

fn temporary_files_and_closed_folders_are_removed() {
    assert_edited(
        "cd \"$(dirname \"$1\")\" || exit
         mkdir -p a/b; echo x > a/b/c~; echo x > \"$1~\"; ln -s / a/root
         chmod 0500 a/b; chmod 0100 a
         printf new > \"$1\"",
        b"new",
    );
}

fn an_editor_that_fails_without_a_change() {
    assert_refused(
        "echo 'no application for this' >&2; exit 3",
        &["no application for this"],
    );
}

/// Whether what was saved is all, nobody knows: the original stays, the edit too.
#[track_caller]
fn assert_kept_aside(script: &str) {
    let editing = Editing::new();
    editing.editor(script);
    let opened = editing.open();
    opened.assert_code(1);
    let kept = format!("{NAME}.incomplete-from-disposable");
    opened.assert_says(&kept);
    assert_eq!(editing.content(), OLD);
    assert_eq!(fs::read(editing.beside(&kept)).unwrap(), b"saved");
    assert_eq!(editing.names(), [NAME, &kept]);
    editing.assert_nothing_left_there();
}

fn an_editor_that_fails_after_saving_loses_nothing() {
    assert_kept_aside("printf saved > \"$1\"; exit 1");
}

fn an_editor_that_is_killed_after_saving_loses_nothing() {
    assert_kept_aside("printf saved > \"$1\"; kill -KILL $$");
}

fn a_missing_editor_is_said() {
    let editing = Editing::new();
    let mut command = editing.command("qvm-open-in-dvm");
    command
        .arg(editing.file())
        .env("VM_FILE_EDITOR_OPENER", "/no/such/editor");
    let opened = qfile_tests::process::run(command);
    opened.assert_code(1);
    opened.assert_says("/no/such/editor");
    editing.assert_only(OLD);
}

fn what_the_editor_prints_is_not_the_answer() {
    let editing = Editing::new();
    editing.editor("echo printed; echo complained >&2");
    let opened = editing.open();
    opened.assert_code(0);
    assert_eq!(opened.stderr(), "complained\n");
    assert_eq!(opened.stdout, b"");
    editing.assert_only(OLD);
}

fn the_editor_has_nothing_on_stdin() {
    assert_edited("cat > \"$1\"; printf x >> \"$1\"", b"x");
}

fn binary_content_comes_back_byte_by_byte() {
    let every_byte: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let editing = Editing::with(NAME.as_ref(), &every_byte);
    editing.editor("cp \"$1\" \"$1.new\"; cat \"$1.new\" >> \"$1\"; rm \"$1.new\"");
    editing.open().assert_code(0);
    editing.assert_only(&[&every_byte[..], &every_byte].concat());
}
