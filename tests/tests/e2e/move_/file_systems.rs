//! Moving from file systems that cannot rename without replacing: what was confirmed is deleted
//! there too, and nothing is ever overwritten.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use qfile_tests::changes;
use qfile_tests::mounted::{self, Mounted};
use qfile_tests::moving::{Moved, Moving};
use qfile_tests::process::{Running, wrapped_in};
use qfile_tests::receiver::needs_strace;
use qfile_tests::suite;
use qfile_tests::user::in_private_mounts;

suite! {
    whatever_says_that_the_flag_is_unknown_it_is_moved [needs_strace],
    a_file_replaced_before_it_is_renamed_gets_its_name_back [needs_strace],
    a_link_and_a_folder_in_its_place_get_their_names_back [needs_strace],
    a_name_that_is_taken_meanwhile_is_not_overwritten [needs_strace],
    a_file_that_cannot_be_deleted_gets_its_name_back [needs_strace],
    without_links_the_private_name_is_told [needs_strace],
    a_mover_that_is_killed_loses_nothing [needs_strace],
    from_bindfs_it_is_moved [needs_bindfs],
    from_ntfs_it_is_moved [needs_ntfs_3g],
    from_gocryptfs_it_is_moved [needs_gocryptfs],
    from_sshfs_it_is_moved [needs_sshfs],
    from_mergerfs_it_is_moved [needs_mergerfs],
    what_the_kernel_keeps_of_links_does_not_hold_them_here [needs_mergerfs],
    from_fuse2fs_it_is_moved [needs_fuse2fs],
    on_fuse_what_changes_meanwhile_stays [needs_bindfs],
    on_ntfs_what_changes_meanwhile_stays [needs_ntfs_3g],
    where_only_seconds_are_kept_a_change_within_the_second_is_noticed [needs_fuse2fs],
}

/// How a file system is mounted.
type Mount = fn(&Path) -> Result<Mounted, String>;

const BINDFS: Mount = |point| Mounted::bindfs(point, &[]);
const NTFS: Mount = |point| Mounted::ntfs(point, "umask=0");
const SSHFS: Mount = |point| Mounted::sshfs(point, "allow_other");
const MERGERFS: Mount = |point| Mounted::mergerfs(point, &[]);
/// The kernel keeps its attributes for an hour.
const MERGERFS_CACHED: Mount =
    |point| Mounted::mergerfs(point, &["-o", "cache.attr=3600,cache.entry=3600"]);

fn needs_bindfs() -> Result<(), String> {
    mounted::needs("bindfs", BINDFS)
}

fn needs_ntfs_3g() -> Result<(), String> {
    mounted::needs("ntfs-3g", NTFS)
}

fn needs_gocryptfs() -> Result<(), String> {
    mounted::needs("gocryptfs", Mounted::gocryptfs)
}

fn needs_sshfs() -> Result<(), String> {
    mounted::needs("sshfs", SSHFS)
}

fn needs_mergerfs() -> Result<(), String> {
    mounted::needs("mergerfs", MERGERFS)
}

fn needs_fuse2fs() -> Result<(), String> {
    mounted::needs("fuse2fs", Mounted::ext4)
}

const REPLACED: &str = "replaced by something else since it was copied (";

/// The kernel says that it does not know the flag.
const UNKNOWN: &str = "renameat2:error=EINVAL";

/// One file in a folder.
fn one_file() -> Moving {
    let moving = Moving::new();
    moving.file("d/letter", "confirmed");
    moving
}

fn trace_of(moving: &Moving) -> PathBuf {
    moving.qubes.root().join("trace")
}

/// The move of `d` under strace, with these injections, each the `inject=` of strace.
fn traced(moving: &Moving, injections: &[&str]) -> Command {
    let calls: Vec<&str> = injections
        .iter()
        .filter_map(|injection| injection.split(':').next())
        .collect();
    let log = trace_of(moving);
    // Its threads, and not what it starts.
    let options = ["strace", "-f", "-b", "execve", "-o"];
    let mut strace = options
        .into_iter()
        .chain([log.to_str().unwrap(), "-e"])
        .map(str::to_owned)
        .collect::<Vec<_>>();
    strace.push(format!("trace={}", calls.join(",")));
    for injection in injections {
        strace.extend(["-e".to_owned(), format!("inject={injection}")]);
    }
    wrapped_in(&strace, &moving.command(&["d"]))
}

/// The mover, stopped after its first plain rename.
struct Stopped {
    running: Running,
    pid: Pid,
    private: PathBuf,
}

impl Stopped {
    fn after_renaming(moving: &Moving) -> Self {
        let mut command = traced(moving, &[UNKNOWN, "renameat:signal=STOP:when=1"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running::start(command);
        let pid = stopped_process(&trace_of(moving));
        let private = private_names(&moving.path("d")).pop().unwrap();
        Self {
            running,
            pid,
            private,
        }
    }

    fn go_on(self, moving: &Moving) -> Moved {
        kill_process(self.pid, Signal::CONT).unwrap();
        let finished = self.running.finish();
        Moved {
            finished,
            left: moving.snapshot(),
        }
    }
}

/// The process that strace says is stopped.
fn stopped_process(log: &Path) -> Pid {
    let stopped = || {
        let told = fs::read_to_string(log).unwrap_or_default();
        let mut lines = told.lines();
        let line = lines.find(|line| line.contains("--- stopped by SIGSTOP ---"))?;
        let number = line.split_whitespace().next()?.parse().ok()?;
        Pid::from_raw(number)
    };
    changes::until(log.parent().unwrap(), || stopped().is_some());
    stopped().unwrap()
}

fn private_names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(".qvm-move-")
        })
        .collect()
}

/// A tree of every kind.
fn plant_tree(moving: &Moving) {
    moving.file("d/a", "a");
    moving.file("d/empty", "");
    moving.file("d/sub/deeper/b", "b");
    moving.file(&format!("d/{}", "n".repeat(140)), "long");
    fs::create_dir(moving.path("d/empty folder")).unwrap();
}

/// What the kernel, its file systems and what filters system calls say.
fn whatever_says_that_the_flag_is_unknown_it_is_moved() {
    for errno in ["EINVAL", "ENOSYS", "EOPNOTSUPP", "EPERM", "524"] {
        let moving = Moving::new();
        plant_tree(&moving);
        symlink("a", moving.path("d/link")).unwrap();
        for name in ["d/second", "d/sub/third"] {
            fs::hard_link(moving.path("d/a"), moving.path(name)).unwrap();
        }
        let before = moving.snapshot();
        let inject = format!("renameat2:error={errno}");
        let moved = moving.run_command(traced(&moving, &[&inject]));
        moved.assert_all_gone();
        assert_eq!(before.paths(), moving.arrived().paths());
    }
}

fn a_file_replaced_before_it_is_renamed_gets_its_name_back() {
    let moving = one_file();
    let stopped = Stopped::after_renaming(&moving);
    // As if the new file had been there a moment before.
    fs::remove_file(&stopped.private).unwrap();
    fs::write(&stopped.private, "new").unwrap();
    let moved = stopped.go_on(&moving);
    moved.assert_stays(
        &moving.home(),
        &["d", "d/letter"],
        &[(REPLACED, "d/letter")],
    );
    assert_eq!(fs::read(moving.path("d/letter")).unwrap(), b"new");
}

fn a_link_and_a_folder_in_its_place_get_their_names_back() {
    let moving = one_file();
    let stopped = Stopped::after_renaming(&moving);
    fs::remove_file(&stopped.private).unwrap();
    symlink("nowhere", &stopped.private).unwrap();
    let moved = stopped.go_on(&moving);
    let told = [(REPLACED, "d/letter")];
    moved.assert_stays(&moving.home(), &["d", "d/letter"], &told);
    let target = fs::read_link(moving.path("d/letter")).unwrap();
    assert_eq!(target, Path::new("nowhere"));

    let moving = one_file();
    let stopped = Stopped::after_renaming(&moving);
    fs::remove_file(&stopped.private).unwrap();
    fs::create_dir(&stopped.private).unwrap();
    fs::write(stopped.private.join("x"), "new").unwrap();
    let moved = stopped.go_on(&moving);
    moved.assert_stays(&moving.home(), &["d", "d/letter", "d/letter/x"], &told);
}

fn a_name_that_is_taken_meanwhile_is_not_overwritten() {
    let moving = one_file();
    let stopped = Stopped::after_renaming(&moving);
    let private = stopped.private.clone();
    fs::write(&private, "changed").unwrap();
    moving.file("d/letter", "new");
    let moved = stopped.go_on(&moving);
    moved.finished.assert_code(3);
    assert_eq!(fs::read(moving.path("d/letter")).unwrap(), b"new");
    assert_eq!(fs::read(&private).unwrap(), b"changed");
    let name = private.file_name().unwrap().to_str().unwrap();
    let told = format!("d/letter\" is now \"{name}\"");
    moved.finished.assert_says(&told);
}

fn a_file_that_cannot_be_deleted_gets_its_name_back() {
    let moving = one_file();
    // Once: the private name is removed when the file has its own again.
    let moved = moving.run_command(traced(&moving, &[UNKNOWN, "unlinkat:error=EIO:when=1"]));
    moved.assert_stays(
        &moving.home(),
        &["d", "d/letter"],
        &[("cannot be deleted: Input/output error", "d/letter")],
    );
}

fn without_links_the_private_name_is_told() {
    for errno in ["EPERM", "EOPNOTSUPP", "ENOSYS", "EMLINK"] {
        let moving = one_file();
        let no_links = format!("linkat:error={errno}");
        let injections = [UNKNOWN, "unlinkat:error=EIO", &no_links];
        let moved = moving.run_command(traced(&moving, &injections));
        moved.finished.assert_code(3);
        let [private] = &private_names(&moving.path("d"))[..] else {
            panic!("{:?}", moved.left.paths())
        };
        assert_eq!(fs::read(private).unwrap(), b"confirmed");
        let name = private.file_name().unwrap().to_str().unwrap();
        let told = format!("d/letter\" is now \"{name}\"");
        moved.finished.assert_says(&told);
    }
}

fn a_mover_that_is_killed_loses_nothing() {
    let moving = one_file();
    let killing = [UNKNOWN, "unlinkat:signal=KILL:when=1"];
    let moved = moving.run_command(traced(&moving, &killing));
    assert_eq!(moved.finished.code(), 128 + 9);
    let [private] = &private_names(&moving.path("d"))[..] else {
        panic!("{:?}", moved.left.paths())
    };
    assert!(private.to_string_lossy().ends_with("-letter"));
    assert_eq!(fs::read(private).unwrap(), b"confirmed");
}

/// A qube whose home is such a file system, for as long as the second of both is there.
fn on(mount: Mount) -> (Moving, Mounted) {
    let moving = Moving::new();
    let mounted = mount(&moving.home()).unwrap();
    (moving, mounted)
}

fn assert_moved_from(mount: Mount, has_hard_links: bool) {
    in_private_mounts(|| {
        let (moving, _mounted) = on(mount);
        plant_tree(&moving);
        symlink("a", moving.path("d/link")).unwrap();
        if has_hard_links {
            for name in ["d/second", "d/sub/third"] {
                fs::hard_link(moving.path("d/a"), moving.path(name)).unwrap();
            }
        }
        let before = moving.snapshot();
        let moved = moving.run(&["d"]);
        moved.assert_all_gone();
        assert_eq!(before.paths(), moving.arrived().paths());
        assert_eq!(
            fs::read(moving.incoming().join("d/sub/deeper/b")).unwrap(),
            b"b"
        );
    });
}

fn from_bindfs_it_is_moved() {
    assert_moved_from(BINDFS, true);
}

fn from_ntfs_it_is_moved() {
    assert_moved_from(NTFS, true);
}

fn from_gocryptfs_it_is_moved() {
    assert_moved_from(Mounted::gocryptfs, true);
}

fn from_sshfs_it_is_moved() {
    // SFTP knows no hard links.
    assert_moved_from(SSHFS, false);
}

fn from_mergerfs_it_is_moved() {
    assert_moved_from(MERGERFS, true);
}

/// Here each name of a file has a number of its own, and what the kernel keeps of one name is as old as
/// the last look at that name.
fn what_the_kernel_keeps_of_links_does_not_hold_them_here() {
    in_private_mounts(|| {
        let (moving, _mounted) = on(MERGERFS_CACHED);
        moving.file("d/a", "a");
        for name in ["d/b", "d/c"] {
            fs::hard_link(moving.path("d/a"), moving.path(name)).unwrap();
        }
        moving.before_the_verdict("stat --cached=never d/a d/b d/c");
        moving.run(&["d"]).assert_all_gone();
        assert_eq!(moving.arrived().paths(), ["d", "d/a", "d/b", "d/c"]);
    });
}

fn from_fuse2fs_it_is_moved() {
    assert_moved_from(Mounted::ext4, true);
}

fn assert_what_changes_stays(mount: Mount) {
    in_private_mounts(|| {
        let (moving, _mounted) = on(mount);
        for name in ["d/a", "d/b", "d/sub/c"] {
            moving.file(name, name);
        }
        moving.before_the_verdict("echo more >>d/a; echo new >new; mv new d/b; echo x >d/sub/new");
        moving.run(&["d"]).assert_stays(
            &moving.home(),
            &["d", "d/a", "d/b", "d/sub", "d/sub/new"],
            &[
                ("changed since it was copied", "d/a"),
                (REPLACED, "d/b"),
                ("not among the entries that were copied", "d/sub/new"),
            ],
        );
    });
}

fn on_fuse_what_changes_meanwhile_stays() {
    assert_what_changes_stays(BINDFS);
}

fn on_ntfs_what_changes_meanwhile_stays() {
    assert_what_changes_stays(NTFS);
}

/// Size and times are those that were confirmed if the file is sent as soon as it is written.
fn where_only_seconds_are_kept_a_change_within_the_second_is_noticed() {
    in_private_mounts(|| {
        let (moving, _mounted) = on(Mounted::ext4);
        moving.before_the_verdict("printf new >letter");
        let writing = ["sh", "-c", "printf old >letter; exec \"$0\" \"$@\""];
        let command = wrapped_in(&writing, &moving.command(&["letter"]));
        let moved = moving.run_command(command);
        moved.assert_stays(
            &moving.home(),
            &["letter"],
            &[("changed since it was copied", "letter")],
        );
        assert_eq!(fs::read(moving.path("letter")).unwrap(), b"new");
    });
}
