//! Folders that take no new file, or not under the name of the original: that is left as it is, and the
//! edit is kept, in `/tmp` if need be.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use qfile_tests::editing::{Editing, NAME, NEW, OLD};
use qfile_tests::framed::{CHANGED, framed};
use qfile_tests::process::{Finished, run, wrapped_in};
use qfile_tests::qubes::TARGET;
use qfile_tests::receiver::{needs_strace, users_uid};
use qfile_tests::suite;
use qfile_tests::user::{
    am_root, give_to_ordinary, in_private_mounts, mount_tmpfs, needs_a_user, needs_private_mounts,
    needs_root,
};

suite! {
    an_edit_of_a_file_that_may_not_be_written_in_a_read_only_folder_is_kept_in_tmp [needs_a_user],
    an_edit_of_a_file_whose_folder_is_closed_meanwhile_is_kept_in_tmp [needs_a_user],
    a_file_in_a_folder_that_cannot_be_listed_gets_the_edit [needs_a_user],
    a_file_in_a_closed_folder_is_refused_before_anybody_is_called [needs_a_user],
    a_file_of_somebody_else_in_a_folder_like_tmp_stays [needs_root],
    an_edit_that_does_not_fit_on_the_disk_is_kept_in_tmp [needs_private_mounts],
    an_edit_that_the_disk_fails_to_write_is_kept_in_tmp [needs_strace],
    a_folder_that_the_disk_fails_to_write_has_the_edit_and_that_is_said [needs_strace],
}

/// The one path in `/tmp` that was said, which is removed with this.
struct KeptInTmp(PathBuf);

impl KeptInTmp {
    #[track_caller]
    fn said_in(opened: &Finished) -> Self {
        let stderr = opened.stderr();
        let path = stderr.split('"').rfind(|word| word.starts_with("/tmp/"));
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

/// A file in a folder of its own, with this mode from the beginning, and what the ordinary user gets to
/// hear who has it edited; the folder is open again then.
fn opened_in_a_folder(mode: u32, meanwhile: &str) -> (Editing, PathBuf, Finished) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let editing = Editing::new();
    let folder = editing.beside("folder");
    fs::create_dir(&folder).unwrap();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let file = folder.join(format!("of-a-folder-{}-{number}.txt", std::process::id()));
    fs::write(&file, OLD).unwrap();
    editing.meanwhile_answers(meanwhile, &framed(CHANGED, NEW), "");
    let mut command = editing.command("qvm-open-in-vm");
    command.args([TARGET.as_ref(), file.as_os_str()]);
    editing.as_ordinary(&mut command);
    if am_root() {
        [&folder, &file]
            .into_iter()
            .for_each(|path| give_to_ordinary(path));
    }
    fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
    let opened = run(command);
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "left behind");
    (editing, file, opened)
}

#[track_caller]
fn assert_kept_in_tmp(file: &Path, opened: &Finished) {
    opened.assert_code(1);
    let kept = KeptInTmp::said_in(opened);
    assert_eq!(kept.0.parent(), Some(Path::new("/tmp")));
    assert_eq!(fs::read(&kept.0).unwrap(), NEW);
    let metadata = fs::metadata(&kept.0).unwrap();
    assert_eq!(
        (metadata.uid(), metadata.mode() & 0o7777),
        (users_uid(), 0o600)
    );
    assert_eq!(fs::read(file).unwrap(), OLD);
}

fn an_edit_of_a_file_that_may_not_be_written_in_a_read_only_folder_is_kept_in_tmp() {
    for mode in ["0555", "0111"] {
        let meanwhile = format!(
            "chmod 0444 \"$WORK\"/source*/home/folder/*; chmod {mode} \"$WORK\"/source*/home/folder"
        );
        let (_editing, file, opened) = opened_in_a_folder(0o755, &meanwhile);
        assert_kept_in_tmp(&file, &opened);
    }
}

fn an_edit_of_a_file_whose_folder_is_closed_meanwhile_is_kept_in_tmp() {
    for mode in ["0000", "0444"] {
        let meanwhile = format!("chmod {mode} \"$WORK\"/source*/home/folder");
        let (_editing, file, opened) = opened_in_a_folder(0o755, &meanwhile);
        assert_kept_in_tmp(&file, &opened);
    }
}

fn a_file_in_a_folder_that_cannot_be_listed_gets_the_edit() {
    let (_editing, file, opened) = opened_in_a_folder(0o311, ":");
    opened.assert_code(0);
    assert_eq!(opened.stderr(), "");
    assert_eq!(fs::read(file).unwrap(), NEW);
}

fn a_file_in_a_closed_folder_is_refused_before_anybody_is_called() {
    for mode in [0, 0o444] {
        // A service that answers would have its answer kept.
        let (_editing, file, opened) = opened_in_a_folder(mode, ":");
        opened.assert_code(1);
        opened.assert_says("cannot open");
        opened.assert_says("Permission denied");
        assert!(!opened.stderr().contains("in-disposable"));
        assert_eq!(fs::read(file).unwrap(), OLD);
    }
}

fn a_file_of_somebody_else_in_a_folder_like_tmp_stays() {
    let editing = Editing::new();
    editing.answers(&framed(CHANGED, NEW));
    let mut command = editing.command_in_target(&[]);
    editing.as_ordinary(&mut command);
    let folder = editing.file().parent().unwrap();
    for path in [folder, editing.file()] {
        chown(path, Some(1), Some(1)).unwrap();
    }
    fs::set_permissions(folder, Permissions::from_mode(0o1777)).unwrap();
    let opened = run(command);
    opened.assert_code(1);
    let kept = "letter.txt.edited-in-vault";
    opened.assert_says(kept);
    assert_eq!(fs::read(editing.beside(kept)).unwrap(), NEW);
    assert_eq!(editing.content(), OLD);
    assert_eq!(editing.names(), [NAME, kept]);
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

/// Has the file edited where the disk fails to sync what strace selects by `options`.
fn opened_on_a_failing_disk(editing: &Editing, options: &[&str]) -> Finished {
    let trace = ["strace", "-o", "/dev/null", "-e", "trace=fsync"];
    let strace = [&trace, options].concat();
    run(wrapped_in(&strace, &editing.command_in_target(&[])))
}

fn an_edit_that_the_disk_fails_to_write_is_kept_in_tmp() {
    // A disk fails once for what it has lost; where nothing can be synced, the edit is worth no less.
    for failure in ["inject=fsync:error=EIO:when=1", "inject=fsync:error=EIO"] {
        let editing = Editing::with_an_edit();
        let opened = opened_on_a_failing_disk(&editing, &["-e", failure]);
        opened.assert_code(1);
        let kept = KeptInTmp::said_in(&opened);
        assert_eq!(fs::read(&kept.0).unwrap(), NEW, "{failure}");
        editing.assert_only(OLD);
    }
}

fn a_folder_that_the_disk_fails_to_write_has_the_edit_and_that_is_said() {
    let editing = Editing::with_an_edit();
    let folder = editing.file().parent().unwrap().to_str().unwrap();
    let failure = "inject=fsync:error=EIO";
    let opened = opened_on_a_failing_disk(&editing, &["-P", folder, "-e", failure]);
    opened.assert_code(0);
    opened.assert_says("contains the edit, but its folder cannot be written to disk");
    editing.assert_only(NEW);
}
