//! What happens to the original: nothing but the edit. Its links, names and place stay, and an edit
//! that cannot go there is kept beside it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use qfile_tests::editing::{Editing, NAME, NEW, OLD};
use qfile_tests::process::{Finished, run};
use qfile_tests::suite;
use qfile_tests::user::{
    ORDINARY, in_private_mounts, mount_tmpfs, needs_private_mounts, needs_root,
};

suite! {
    a_link_stays_a_link,
    a_chain_of_links_stays,
    all_names_of_a_file_with_several_see_the_edit,
    a_shrunken_file_with_several_names_keeps_a_backup,
    a_file_that_shrinks_a_lot_keeps_a_backup,
    a_file_that_shrinks_a_little_keeps_none,
    an_original_that_was_changed_meanwhile_stays,
    an_original_that_was_replaced_meanwhile_stays,
    an_original_that_was_deleted_meanwhile_does_not_come_back,
    an_original_that_is_a_folder_now_stays,
    a_folder_that_was_renamed_meanwhile_gets_the_edit,
    an_edit_of_a_file_in_a_read_only_folder_is_kept_in_tmp [needs_root],
    an_edit_that_does_not_fit_on_the_disk_is_kept_in_tmp [needs_private_mounts],
    kept_files_are_numbered,
    without_a_status_a_backup_is_kept,
    what_is_no_file_is_refused_before_anybody_is_called,
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

fn open_path(editing: &Editing, path: &Path) -> Finished {
    let mut command = editing.command("qvm-open-in-dvm");
    command.arg(path);
    run(command)
}

fn a_link_stays_a_link() {
    let editing = Editing::with_an_edit();
    let folder = editing.elsewhere("folder");
    fs::create_dir(&folder).unwrap();
    let link = folder.join("link");
    symlink(editing.file(), &link).unwrap();
    open_path(&editing, &link).assert_code(0);
    editing.assert_only(NEW);
    assert_eq!(fs::read_link(&link).unwrap(), editing.file());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

fn a_chain_of_links_stays() {
    let editing = Editing::with_an_edit();
    symlink(NAME, editing.beside("second")).unwrap();
    symlink("second", editing.beside("first")).unwrap();
    open_path(&editing, &editing.beside("first")).assert_code(0);
    assert_eq!(editing.content(), NEW);
    assert_eq!(editing.names(), ["first", NAME, "second"]);
    assert!(editing.beside("first").is_symlink() && editing.beside("second").is_symlink());
}

fn all_names_of_a_file_with_several_see_the_edit() {
    for script in [
        "echo 'new content' > \"$1\"",
        "yes longer | head -c 300000 > \"$1\"",
    ] {
        let editing = Editing::new();
        editing.editor(script);
        let other = editing.elsewhere("other name");
        fs::hard_link(editing.file(), &other).unwrap();
        fs::set_permissions(&other, Permissions::from_mode(0o4711)).unwrap();
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

const BIG: usize = 100_000;

fn a_shrunken_file_with_several_names_keeps_a_backup() {
    let editing = Editing::with(NAME.as_ref(), &[b'x'; BIG]);
    editing.editor("echo 'new content' > \"$1\"");
    fs::hard_link(editing.file(), editing.elsewhere("other name")).unwrap();
    assert_backed_up(&editing);
    assert_eq!(fs::read(editing.elsewhere("other name")).unwrap(), NEW);
}

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

fn a_file_that_shrinks_a_little_keeps_none() {
    for (before, after) in [(BIG, BIG / 2), (65536, 1)] {
        let editing = Editing::with(NAME.as_ref(), &vec![b'x'; before]);
        editing.editor(&format!("head -c {after} /dev/zero > \"$1\""));
        editing.open().assert_code(0);
        editing.assert_only(&vec![0; after]);
    }
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
    open_path(&editing, &folder.join("file")).assert_code(0);
    assert_eq!(fs::read(moved.join("file")).unwrap(), NEW);
    assert_eq!(fs::read_dir(&moved).unwrap().count(), 1);
    assert!(!folder.exists());
}

/// The one path in `/tmp` that was said, which is removed with this.
struct KeptInTmp(PathBuf);

impl KeptInTmp {
    #[track_caller]
    fn said_in(opened: &Finished) -> Self {
        let stderr = opened.stderr();
        let path = stderr
            .split_whitespace()
            .rfind(|word| word.starts_with("/tmp/"));
        Self(PathBuf::from(
            path.unwrap_or_else(|| panic!("no path in: {stderr}")),
        ))
    }
}

impl Drop for KeptInTmp {
    fn drop(&mut self) {
        let _shown_already = fs::remove_file(&self.0);
    }
}

fn an_edit_of_a_file_in_a_read_only_folder_is_kept_in_tmp() {
    let name = format!("read-only-{}.txt", std::process::id());
    let editing = Editing::with(name.as_ref(), OLD);
    editing.service("cat > /dev/null; echo 'new content'");
    let mut command = editing.command_in_target(&[]);
    editing.as_ordinary(&mut command);
    let folder = editing.file().parent().unwrap();
    fs::set_permissions(folder, Permissions::from_mode(0o555)).unwrap();
    let opened = run(command);
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    opened.assert_code(1);
    let kept = KeptInTmp::said_in(&opened);
    assert_eq!(kept.0.parent(), Some(Path::new("/tmp")));
    assert_eq!(fs::read(&kept.0).unwrap(), NEW);
    let metadata = fs::metadata(&kept.0).unwrap();
    assert_eq!(
        (metadata.uid(), metadata.mode() & 0o7777),
        (ORDINARY, 0o600)
    );
    editing.assert_only(OLD);
}

fn an_edit_that_does_not_fit_on_the_disk_is_kept_in_tmp() {
    let name = format!("full-disk-{}.txt", std::process::id());
    let editing = Editing::with(name.as_ref(), OLD);
    in_private_mounts(|| {
        let home = editing.file().parent().unwrap();
        mount_tmpfs(home, 1 << 20, ",mode=755");
        fs::write(editing.file(), OLD).unwrap();
        editing.editor("yes edited | head -c 3000001 > \"$1\"");
        let opened = editing.open();
        opened.assert_code(1);
        let kept = KeptInTmp::said_in(&opened);
        let content = fs::read(&kept.0).unwrap();
        assert_eq!(content.len(), 3_000_001);
        let expected = b"edited\n".iter().cycle().copied().take(3_000_001);
        assert!(content.into_iter().eq(expected), "not what was edited");
        editing.assert_only(OLD);
    });
}

fn kept_files_are_numbered() {
    let editing = Editing::new();
    editing.service("cat > /dev/null; echo part; exit 3");
    let base = "letter.txt.incomplete-from-disposable";
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

fn without_a_status_a_backup_is_kept() {
    let editing = Editing::with_an_edit();
    let client = qfile_tests::programs::program("qopen-in-vm");
    for backup in ["letter.txt~", "letter.txt~2"] {
        fs::write(editing.file(), OLD).unwrap();
        let mut command = editing.command("qrexec-loopback");
        command
            .args(["@dispvm", "qubes.OpenInVM"])
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

fn what_is_no_file_is_refused_before_anybody_is_called() {
    let editing = Editing::new();
    fs::create_dir(editing.beside("folder")).unwrap();
    symlink("nowhere", editing.beside("dangling")).unwrap();
    let fifo = Command::new("mkfifo").arg(editing.beside("fifo")).status();
    assert!(fifo.unwrap().success());
    for name in ["folder", "dangling", "fifo", "missing", "letter.txt/x", "."] {
        let mut command = editing.command("qvm-open-in-dvm");
        command.arg(editing.beside(name));
        // Were it called, it would fail in another way.
        command.env("QREXEC_CLIENT_VM", "/bin/false");
        let opened = run(command);
        opened.assert_code(1);
        let said = opened.stderr();
        assert!(
            said.contains("not a regular file") || said.contains("cannot open"),
            "{name}: {said}"
        );
    }
}
