//! What is kept beside the original: its content before, where the edit may be a mistake, and what came
//! of an edit that may not be all.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use qfile_tests::editing::{Editing, NAME, NEW, OLD};
use qfile_tests::process::run;
use qfile_tests::qubes::TARGET;
use qfile_tests::suite;

suite! {
    a_file_that_shrinks_a_lot_keeps_a_backup,
    a_shrunken_file_with_several_names_keeps_a_backup,
    a_file_that_shrinks_a_little_keeps_none,
    a_small_file_that_shrinks_a_lot_keeps_a_backup,
    without_a_status_and_a_frame_a_backup_is_kept,
    kept_files_are_numbered,
}

const BIG: usize = 100_000;

#[track_caller]
fn assert_backed_up(editing: &Editing) {
    let opened = editing.open();
    opened.assert_code(0);
    opened.assert_says("letter.txt~");
    assert_eq!(editing.content(), NEW);
    assert_eq!(
        fs::read(editing.beside("letter.txt~")).unwrap(),
        [b'x'; BIG]
    );
    assert_eq!(editing.names(), [NAME, "letter.txt~"]);
}

fn a_file_that_shrinks_a_lot_keeps_a_backup() {
    let editing = Editing::with(NAME.as_ref(), &[b'x'; BIG]);
    fs::set_permissions(editing.file(), Permissions::from_mode(0o640)).unwrap();
    editing.editor("echo 'new content' > \"$1\"");
    assert_backed_up(&editing);
    let mode = fs::metadata(editing.beside("letter.txt~")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o640);
}

fn a_shrunken_file_with_several_names_keeps_a_backup() {
    let editing = Editing::with(NAME.as_ref(), &[b'x'; BIG]);
    editing.editor("echo 'new content' > \"$1\"");
    fs::hard_link(editing.file(), editing.elsewhere("other name")).unwrap();
    assert_backed_up(&editing);
    assert_eq!(fs::read(editing.elsewhere("other name")).unwrap(), NEW);
}

fn a_file_that_shrinks_a_little_keeps_none() {
    for (before, after) in [(BIG, BIG / 2), (512, 0), (512, 1), (513, 257), (514, 257)] {
        let editing = Editing::with(NAME.as_ref(), &vec![b'x'; before]);
        editing.editor(&format!("head -c {after} /dev/zero > \"$1\""));
        editing.open().assert_code(0);
        editing.assert_only(&vec![0; after]);
    }
}

fn a_small_file_that_shrinks_a_lot_keeps_a_backup() {
    for (before, after) in [(513, 256), (514, 256), (513, 0), (40_000, 17)] {
        let editing = Editing::with(NAME.as_ref(), &vec![b'x'; before]);
        editing.editor(&format!("head -c {after} /dev/zero > \"$1\""));
        let opened = editing.open();
        opened.assert_code(0);
        opened.assert_says(
            "letter.txt~\", because the edit is less than half as long as the file was",
        );
        assert_eq!(editing.content(), vec![0; after]);
        assert_eq!(editing.names(), [NAME, "letter.txt~"]);
        let backup = fs::read(editing.beside("letter.txt~")).unwrap();
        assert_eq!(backup, vec![b'x'; before]);
    }
}

fn without_a_status_and_a_frame_a_backup_is_kept() {
    let editing = Editing::new();
    editing.answers(NEW);
    let client = qfile_tests::programs::program("qopen-in-vm");
    for backup in ["letter.txt~", "letter.txt~2"] {
        fs::write(editing.file(), OLD).unwrap();
        let mut command = editing.command("qrexec-loopback");
        command
            .args([TARGET, "qubes.OpenInVM"])
            .arg(&client)
            .arg(editing.file());
        let opened = run(command);
        opened.assert_code(0);
        opened.assert_says(backup);
        assert_eq!(editing.content(), NEW);
        assert_eq!(fs::read(editing.beside(backup)).unwrap(), OLD);
    }
    assert_eq!(editing.names(), [NAME, "letter.txt~", "letter.txt~2"]);
}

fn kept_files_are_numbered() {
    let editing = Editing::new();
    editing.service("cat > /dev/null; echo part; exit 3");
    let base = "letter.txt.incomplete-from-vault";
    for name in [base.to_owned(), format!("{base}-2"), format!("{base}-3")] {
        let opened = editing.open_in_target(&[]);
        opened.assert_code(1);
        opened.assert_says(&name);
        opened.assert_says("status 3");
        assert_eq!(fs::read(editing.beside(&name)).unwrap(), b"part\n");
    }
    assert_eq!(editing.content(), OLD);
    assert_eq!(editing.names().len(), 4);
}
