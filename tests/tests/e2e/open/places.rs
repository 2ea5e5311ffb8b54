//! Where an edit can be put: a name that cannot be given to another file, folders and file systems that
//! refuse one way to do it, and disks that fail.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use qfile_tests::cannot_run::needs_program;
use qfile_tests::editing::{Editing, NAME, NEW, OLD};
use qfile_tests::framed::{CHANGED, framed};
use qfile_tests::process::{Finished, run, wrapped_in};
use qfile_tests::qubes::TARGET;
use qfile_tests::receiver::needs_strace;
use qfile_tests::suite;
use qfile_tests::user::{
    am_root, bind, give_to_ordinary, in_private_mounts, mount_tmpfs, needs_a_user,
    needs_private_mounts, needs_root,
};

suite! {
    a_file_in_a_folder_that_may_not_be_written_is_rewritten [needs_a_user],
    a_file_whose_folder_is_closed_to_writing_meanwhile_is_rewritten [needs_a_user],
    the_backup_of_a_file_in_a_folder_that_may_not_be_written_is_where_it_lasts [needs_a_user],
    hard_links_in_a_folder_that_may_not_be_written_see_the_edit [needs_a_user],
    a_writable_file_of_somebody_else_in_a_folder_like_tmp_is_rewritten [needs_root],
    a_file_that_is_a_mount_point_is_rewritten [needs_private_mounts],
    a_file_that_is_a_mount_point_keeps_a_backup_when_it_shrinks [needs_private_mounts],
    a_file_that_is_a_mount_point_in_a_read_only_file_system_is_rewritten [needs_private_mounts],
    a_file_that_is_a_read_only_mount_point_stays [needs_private_mounts],
    an_immutable_file_stays [needs_immutable_files],
    a_file_in_an_immutable_folder_is_rewritten [needs_immutable_files],
    an_exchange_that_is_refused_is_no_reason_to_lose_the_edit [needs_strace],
    a_rename_that_is_refused_is_no_reason_to_lose_the_edit [needs_strace],
    a_disk_that_fails_at_the_exchange_leaves_the_original [needs_strace],
    a_file_that_cannot_be_given_a_name_is_copied [needs_strace],
    a_file_system_that_cannot_sync_gets_the_edit [needs_strace],
    a_file_that_cannot_be_rewritten_stays [needs_strace],
    a_file_system_that_cannot_reserve_room_gets_the_edit [needs_strace],
    a_rewrite_that_is_interrupted_by_a_signal_goes_on [needs_strace],
    attributes_that_cannot_be_listed_are_said [needs_strace],
    an_attribute_that_cannot_be_read_is_said [needs_strace, needs_attributes],
    a_file_system_without_attributes_is_nothing_to_say [needs_strace],
    a_file_on_bindfs_gets_the_edit [needs_private_mounts, needs_bindfs],
    a_file_on_gocryptfs_gets_the_edit [needs_private_mounts, needs_gocryptfs],
    a_file_on_sshfs_gets_the_edit [needs_private_mounts, needs_sshfs],
    a_file_on_ntfs_gets_the_edit [needs_private_mounts, needs_ntfs],
}

const EDITED: &str = "letter.txt.edited-in-vault";

/// A file, and a qube that answers with an edit of it.
fn editing() -> Editing {
    let editing = Editing::new();
    editing.answers(&framed(CHANGED, NEW));
    editing
}

#[track_caller]
fn assert_quiet(opened: &Finished) {
    opened.assert_code(0);
    assert_eq!(opened.stderr(), "");
}

/// A file in a folder of its own, and what the ordinary user gets to hear who has it edited in a folder
/// with this mode.
struct InAFolder {
    editing: Editing,
    folder: PathBuf,
    file: PathBuf,
}

impl InAFolder {
    fn new(old: &[u8]) -> Self {
        let editing = editing();
        let folder = editing.beside("folder");
        fs::create_dir(&folder).unwrap();
        let file = folder.join(NAME);
        fs::write(&file, old).unwrap();
        Self {
            editing,
            folder,
            file,
        }
    }

    fn opened(&self, mode: u32) -> Finished {
        let mut command = self.editing.command("qvm-open-in-vm");
        command
            .args([TARGET.as_ref(), self.file.as_os_str()])
            .env("XDG_STATE_HOME", self.editing.beside("state"));
        self.editing.as_ordinary(&mut command);
        if am_root() {
            [&self.folder, &self.file]
                .into_iter()
                .for_each(|path| give_to_ordinary(path));
        }
        fs::set_permissions(&self.folder, Permissions::from_mode(mode)).unwrap();
        let opened = run(command);
        fs::set_permissions(&self.folder, Permissions::from_mode(0o755)).unwrap();
        opened
    }

    /// What is kept where backups last.
    fn kept(&self) -> Vec<PathBuf> {
        let kept = fs::read_dir(self.editing.beside("state/qfile"));
        let kept = kept.into_iter().flatten();
        kept.map(|entry| entry.unwrap().path()).collect()
    }
}

fn a_file_in_a_folder_that_may_not_be_written_is_rewritten() {
    for mode in [0o555, 0o111] {
        let place = InAFolder::new(OLD);
        let before = fs::metadata(&place.file).unwrap();
        let opened = place.opened(mode);
        assert_quiet(&opened);
        assert_eq!(fs::read(&place.file).unwrap(), NEW);
        assert_eq!(fs::metadata(&place.file).unwrap().ino(), before.ino());
        assert_eq!(fs::read_dir(&place.folder).unwrap().count(), 1);
        assert!(place.kept().is_empty());
    }
}

fn a_file_whose_folder_is_closed_to_writing_meanwhile_is_rewritten() {
    let place = InAFolder::new(OLD);
    let meanwhile = "chmod 0555 \"$WORK\"/source*/home/folder";
    place
        .editing
        .meanwhile_answers(meanwhile, &framed(CHANGED, NEW), "");
    assert_quiet(&place.opened(0o755));
    assert_eq!(fs::read(&place.file).unwrap(), NEW);
}

fn the_backup_of_a_file_in_a_folder_that_may_not_be_written_is_where_it_lasts() {
    for raw in [false, true] {
        let old = OLD.repeat(1000);
        let place = InAFolder::new(&old);
        fs::set_permissions(&place.file, Permissions::from_mode(0o664)).unwrap();
        if raw {
            place.editing.answers(NEW);
        }
        let opened = place.opened(0o555);
        opened.assert_code(0);
        assert_eq!(fs::read(&place.file).unwrap(), NEW);
        let [backup] = &place.kept()[..] else {
            panic!("kept: {:?}", place.kept());
        };
        opened.assert_says(backup.to_str().unwrap());
        assert!(fs::read(backup).unwrap() == old);
        assert_eq!(fs::metadata(backup).unwrap().mode() & 0o7777, 0o600);
        let folder = fs::metadata(backup.parent().unwrap()).unwrap();
        assert_eq!(folder.mode() & 0o7777, 0o700);
    }
}

fn hard_links_in_a_folder_that_may_not_be_written_see_the_edit() {
    let place = InAFolder::new(OLD);
    let other = place.editing.beside("other name");
    fs::hard_link(&place.file, &other).unwrap();
    assert_quiet(&place.opened(0o555));
    assert_eq!(fs::read(&other).unwrap(), NEW);
    assert!(place.kept().is_empty());
}

fn a_writable_file_of_somebody_else_in_a_folder_like_tmp_is_rewritten() {
    let editing = editing();
    let mut command = editing.command_in_target(&[]);
    editing.as_ordinary(&mut command);
    let folder = editing.file().parent().unwrap();
    for path in [folder, editing.file()] {
        chown(path, Some(1), Some(1)).unwrap();
    }
    fs::set_permissions(editing.file(), Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(folder, Permissions::from_mode(0o1777)).unwrap();
    assert_quiet(&run(command));
    editing.assert_only(NEW);
}

/// Another file is mounted on the file, as containers and sandboxes do.
fn with_mounted_file(old: &[u8], body: impl FnOnce(&Editing, &Path) + Send) {
    let editing = Editing::with(NAME.as_ref(), b"covered");
    editing.answers(&framed(CHANGED, NEW));
    let mounted = editing.elsewhere("mounted");
    fs::write(&mounted, old).unwrap();
    in_private_mounts(|| {
        bind(&mounted, editing.file());
        body(&editing, &mounted);
        umount2(editing.file(), MntFlags::MNT_DETACH).unwrap();
    });
    assert_eq!(editing.content(), b"covered");
}

fn a_file_that_is_a_mount_point_is_rewritten() {
    with_mounted_file(OLD, |editing, mounted| {
        assert_quiet(&editing.open_in_target(&[]));
        editing.assert_only(NEW);
        assert_eq!(fs::read(mounted).unwrap(), NEW);
    });
}

fn a_file_that_is_a_mount_point_keeps_a_backup_when_it_shrinks() {
    let old = OLD.repeat(100);
    with_mounted_file(&old, |editing, mounted| {
        let opened = editing.open_in_target(&[]);
        opened.assert_code(0);
        opened.assert_says("letter.txt~");
        assert_eq!(fs::read(mounted).unwrap(), NEW);
        assert_eq!(editing.names(), [NAME, "letter.txt~"]);
        assert!(fs::read(editing.beside("letter.txt~")).unwrap() == old);
    });
}

fn a_file_that_is_a_mount_point_in_a_read_only_file_system_is_rewritten() {
    let editing = editing();
    let mounted = editing.elsewhere("mounted");
    fs::write(&mounted, OLD).unwrap();
    let folder = editing.elsewhere("read-only");
    fs::create_dir(&folder).unwrap();
    in_private_mounts(|| {
        mount_tmpfs(&folder, 1 << 20, "");
        fs::write(folder.join(NAME), "covered").unwrap();
        remount_read_only(&folder);
        bind(&mounted, &folder.join(NAME));
        let mut command = editing.command("qvm-open-in-vm");
        command.arg(TARGET).arg(folder.join(NAME));
        assert_quiet(&run(command));
        assert_eq!(fs::read(&mounted).unwrap(), NEW);
    });
}

fn a_file_that_is_a_read_only_mount_point_stays() {
    with_mounted_file(OLD, |editing, mounted| {
        remount_read_only(editing.file());
        let opened = editing.open_in_target(&[]);
        opened.assert_code(1);
        opened.assert_says(EDITED);
        assert_eq!(fs::read(mounted).unwrap(), OLD);
        assert_eq!(fs::read(editing.beside(EDITED)).unwrap(), NEW);
    });
}

fn remount_read_only(path: &Path) {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>).unwrap();
}

/// `chattr(1)` makes it so, and undoes it when this is dropped.
struct Immutable<'a>(&'a Path);

impl<'a> Immutable<'a> {
    fn make(path: &'a Path) -> Option<Self> {
        chattr("+i", path).then_some(Self(path))
    }
}

impl Drop for Immutable<'_> {
    fn drop(&mut self) {
        chattr("-i", self.0);
    }
}

fn chattr(change: &str, path: &Path) -> bool {
    let changed = Command::new("chattr").arg(change).arg(path).output();
    changed.is_ok_and(|output| output.status.success())
}

fn needs_immutable_files() -> Result<(), String> {
    needs_root()?;
    needs_program("chattr")?;
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    match Immutable::make(file.path()) {
        Some(_undone) => Ok(()),
        None => Err("needs a temporary folder with immutable files".to_owned()),
    }
}

fn an_immutable_file_stays() {
    let editing = editing();
    let immutable = Immutable::make(editing.file()).unwrap();
    let opened = editing.open_in_target(&[]);
    drop(immutable);
    opened.assert_code(1);
    opened.assert_says(EDITED);
    assert_eq!(editing.content(), OLD);
    assert_eq!(fs::read(editing.beside(EDITED)).unwrap(), NEW);
    assert_eq!(editing.names(), [NAME, EDITED]);
}

fn a_file_in_an_immutable_folder_is_rewritten() {
    let editing = editing();
    let folder = editing.file().parent().unwrap().to_owned();
    let mut command = editing.command_in_target(&[]);
    command.env("XDG_STATE_HOME", editing.elsewhere("state"));
    let immutable = Immutable::make(&folder).unwrap();
    let opened = run(command);
    drop(immutable);
    assert_quiet(&opened);
    editing.assert_only(NEW);
}

/// Has the file edited where these calls fail.
fn opened_where(editing: &Editing, failures: &[(&str, &str)]) -> Finished {
    let mut strace = vec!["strace".to_owned(), "-o".to_owned(), "/dev/null".to_owned()];
    let calls: Vec<&str> = failures.iter().map(|(call, _)| *call).collect();
    strace.extend(["-e".to_owned(), format!("trace={}", calls.join(","))]);
    for (call, failure) in failures {
        strace.extend(["-e".to_owned(), format!("inject={call}:error={failure}")]);
    }
    let mut command = editing.command_in_target(&[]);
    command.env("XDG_STATE_HOME", editing.elsewhere("state"));
    run(wrapped_in(&strace, &command))
}

#[track_caller]
fn assert_edited_where(failures: &[(&str, &str)]) {
    let editing = editing();
    let opened = opened_where(&editing, failures);
    assert_eq!(
        (opened.code(), opened.stderr()),
        (0, String::new()),
        "{failures:?}"
    );
    editing.assert_only(NEW);
}

/// What says that something is not allowed, or not known.
const REFUSALS: [&str; 8] = [
    "EPERM",
    "EACCES",
    "EROFS",
    "EBUSY",
    "EXDEV",
    "EINVAL",
    "ENOSYS",
    "EOPNOTSUPP",
];

/// What says that the disk is full or fails.
const FAILURES: [&str; 4] = ["EIO", "ENOSPC", "EDQUOT", "ENOMEM"];

fn an_exchange_that_is_refused_is_no_reason_to_lose_the_edit() {
    for errno in REFUSALS {
        assert_edited_where(&[("renameat2", errno)]);
    }
}

fn a_rename_that_is_refused_is_no_reason_to_lose_the_edit() {
    for errno in REFUSALS {
        // The way without an exchange.
        assert_edited_where(&[("renameat2", "EINVAL"), ("renameat", errno)]);
    }
}

fn a_disk_that_fails_at_the_exchange_leaves_the_original() {
    for errno in FAILURES {
        let editing = editing();
        let opened = opened_where(&editing, &[("renameat2", &format!("{errno}:when=1"))]);
        opened.assert_code(1);
        opened.assert_says(EDITED);
        assert_eq!(editing.content(), OLD, "{errno}");
        assert_eq!(fs::read(editing.beside(EDITED)).unwrap(), NEW);
        assert_eq!(editing.names(), [NAME, EDITED]);
    }
}

fn a_file_that_cannot_be_given_a_name_is_copied() {
    for errno in REFUSALS.into_iter().chain(["ENOENT", "EMLINK"]) {
        assert_edited_where(&[("linkat", errno)]);
    }
}

fn a_file_system_that_cannot_sync_gets_the_edit() {
    for errno in ["EINVAL", "EROFS", "ENOSYS", "EOPNOTSUPP"] {
        assert_edited_where(&[("fsync", errno)]);
    }
}

/// A file with two names, which is rewritten.
fn with_two_names() -> Editing {
    let editing = editing();
    fs::hard_link(editing.file(), editing.elsewhere("other name")).unwrap();
    editing
}

fn a_file_that_cannot_be_rewritten_stays() {
    let refused = FAILURES.into_iter().chain(["EFBIG", "EPERM"]);
    for errno in refused {
        let editing = with_two_names();
        let opened = opened_where(&editing, &[("fallocate", errno)]);
        opened.assert_code(1);
        opened.assert_says(EDITED);
        assert_eq!(editing.content(), OLD, "{errno}");
        assert_eq!(editing.names(), [NAME, EDITED]);
    }
    for errno in FAILURES {
        let editing = with_two_names();
        // What was written is taken back.
        let opened = opened_where(&editing, &[("ftruncate", &format!("{errno}:when=1"))]);
        opened.assert_code(1);
        assert_eq!(editing.content(), OLD, "{errno}");
        assert_eq!(editing.names(), [NAME, EDITED]);
    }
}

fn a_file_system_that_cannot_reserve_room_gets_the_edit() {
    for errno in ["EOPNOTSUPP", "ENOSYS", "EINVAL", "ENODEV"] {
        let editing = with_two_names();
        assert_quiet(&opened_where(&editing, &[("fallocate", errno)]));
        editing.assert_only(NEW);
    }
}

fn a_rewrite_that_is_interrupted_by_a_signal_goes_on() {
    let editing = with_two_names();
    assert_quiet(&opened_where(&editing, &[("fallocate", "EINTR:when=1")]));
    editing.assert_only(NEW);
}

fn attributes_that_cannot_be_listed_are_said() {
    for errno in ["EIO", "EPERM", "EACCES", "E2BIG", "ENOMEM"] {
        let editing = editing();
        let opened = opened_where(&editing, &[("flistxattr", errno)]);
        opened.assert_code(0);
        opened.assert_says("extended attributes, which cannot be listed");
        editing.assert_only(NEW);

        // One that is rewritten keeps them.
        let editing = with_two_names();
        assert_quiet(&opened_where(&editing, &[("flistxattr", errno)]));
        editing.assert_only(NEW);
    }
}

fn needs_attributes() -> Result<(), String> {
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    xattr::set(file.path(), "user.test", b"x")
        .map_err(|_| "needs a temporary folder with extended attributes".to_owned())
}

fn an_attribute_that_cannot_be_read_is_said() {
    for errno in ["EIO", "EPERM", "EACCES"] {
        let editing = editing();
        xattr::set(editing.file(), "user.origin", b"work").unwrap();
        let opened = opened_where(&editing, &[("fgetxattr", errno)]);
        opened.assert_code(0);
        opened.assert_says("its attribute \"user.origin\", which cannot be read");
        editing.assert_only(NEW);
    }
}

fn a_file_system_without_attributes_is_nothing_to_say() {
    for errno in ["EOPNOTSUPP", "ENOSYS"] {
        assert_edited_where(&[("flistxattr", errno), ("fgetxattr", errno)]);
    }
}

/// A file system in user space, unmounted when this is dropped, which ends its program.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).unwrap();
    }
}

/// Has files on a file system edited that `command` mounts on the folder that it gets as its last
/// argument.
fn edits_on(command: impl FnOnce(&Editing) -> Command + Send) {
    let editing = editing();
    let folder = editing.elsewhere("mount point");
    fs::create_dir(&folder).unwrap();
    in_private_mounts(|| {
        let mut command = command(&editing);
        command.arg(&folder).stdin(Stdio::null());
        let mounting = run(command);
        mounting.assert_code(0);
        let _mounted = Mounted(folder.clone());
        for (old, new, backup) in [(OLD, NEW, false), (&OLD.repeat(100), b"short", true)] {
            let file = folder.join(NAME);
            fs::write(&file, old).unwrap();
            editing.answers(&framed(CHANGED, new));
            let mut command = editing.command("qvm-open-in-vm");
            command.arg(TARGET).arg(&file);
            let opened = run(command);
            opened.assert_code(0);
            assert_eq!(fs::read(&file).unwrap(), new);
            let mut names: Vec<_> = fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            if backup {
                opened.assert_says("letter.txt~");
                assert_eq!(names, [NAME, "letter.txt~"]);
                assert!(fs::read(folder.join("letter.txt~")).unwrap() == old);
            } else {
                assert_eq!(names, [NAME]);
                assert_eq!(opened.stderr(), "");
            }
        }
    });
}

fn needs_fuse(program: &str) -> Result<(), String> {
    needs_program(program)?;
    match fs::metadata("/dev/fuse") {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("needs /dev/fuse: {error}")),
    }
}

fn needs_bindfs() -> Result<(), String> {
    needs_fuse("bindfs")
}

fn needs_gocryptfs() -> Result<(), String> {
    needs_fuse("gocryptfs")
}

fn needs_sshfs() -> Result<(), String> {
    needs_fuse("sshfs")?;
    match Path::new(SFTP_SERVER).exists() {
        true => Ok(()),
        false => Err(format!("needs {SFTP_SERVER}")),
    }
}

fn needs_ntfs() -> Result<(), String> {
    needs_fuse("ntfs-3g")?;
    needs_program("mkntfs")
}

const SFTP_SERVER: &str = "/usr/lib/openssh/sftp-server";

fn folder_behind(editing: &Editing) -> PathBuf {
    let folder = editing.elsewhere("behind");
    fs::create_dir(&folder).unwrap();
    folder
}

fn a_file_on_bindfs_gets_the_edit() {
    edits_on(|editing| {
        let mut command = Command::new("bindfs");
        command.arg(folder_behind(editing));
        command
    });
}

fn a_file_on_gocryptfs_gets_the_edit() {
    edits_on(|editing| {
        let (folder, password) = (folder_behind(editing), editing.elsewhere("password"));
        fs::write(&password, "not a secret").unwrap();
        let gocryptfs = |more: &[&str]| {
            let mut command = Command::new("gocryptfs");
            command.args(["-q", "-passfile"]).arg(&password).args(more);
            command.arg(&folder);
            command
        };
        run(gocryptfs(&["-init", "-scryptn", "10"])).assert_code(0);
        gocryptfs(&[])
    });
}

/// Without a network: in the place of ssh there is a server on this machine.
fn a_file_on_sshfs_gets_the_edit() {
    edits_on(|editing| {
        let folder = folder_behind(editing);
        editing.script("ssh", &format!("exec {SFTP_SERVER}"));
        let ssh = format!("ssh_command={}", editing.elsewhere("ssh").display());
        let mut command = Command::new("sshfs");
        command.args(["-o", &ssh]);
        command.arg(format!("nowhere:{}", folder.display()));
        command
    });
}

fn a_file_on_ntfs_gets_the_edit() {
    edits_on(|editing| {
        let image = editing.elsewhere("image");
        let mut file = fs::File::create(&image).unwrap();
        file.set_len(8 << 20).unwrap();
        file.flush().unwrap();
        let mut make = Command::new("mkntfs");
        make.args(["-q", "-F"]).arg(&image);
        run(make).assert_code(0);
        let mut command = Command::new("ntfs-3g");
        command.arg(image);
        command
    });
}
