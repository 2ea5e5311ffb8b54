//! Between the confirmation and the deletion: another process changes and replaces what is about to
//! be deleted, or the mover is stopped, interrupted, killed. Nothing but what was confirmed is lost.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use qfile_tests::fifo;
use qfile_tests::moving::{Moved, Moving};
use qfile_tests::process::{Running, drain, wrapped_in};
use qfile_tests::receiver::needs_strace;
use qfile_tests::suite;

suite! {
    files_replaced_all_the_time_are_never_lost,
    a_file_replaced_before_it_is_renamed_gets_its_name_back [needs_strace],
    a_file_changed_under_its_private_name_gets_its_own_back [needs_strace],
    a_name_that_is_taken_meanwhile_is_not_overwritten [needs_strace],
    a_folder_that_is_filled_at_the_last_moment_stays [needs_strace],
    a_folder_replaced_at_the_last_moment_stays [needs_strace],
    a_folder_moved_away_while_it_is_emptied_ends_the_work [needs_strace],
    a_mover_that_is_killed_loses_nothing [needs_strace],
    a_mover_that_is_interrupted_tells_that_something_is_left [needs_strace],
    a_mover_that_is_interrupted_when_nothing_is_left_has_moved_everything [needs_strace],
    what_cannot_be_deleted_gets_its_name_back [needs_strace],
}

const CHANGED: &str = "changed since it was copied: the copy there is older (";
const REPLACED: &str = "replaced by something else since it was copied (";

/// Files that a second process replaces, one after the other and all the time, each time by another
/// file with a number of its own: what it made last is never deleted.
fn files_replaced_all_the_time_are_never_lost() {
    const FILES: u32 = 300;
    const ROUNDS: u32 = 4;
    let mut replaced = 0;
    for _ in 0..ROUNDS {
        let moving = Moving::new();
        for number in 0..FILES {
            moving.file(&format!("d/{number}"), "confirmed");
        }
        moving.file("attacker", "");
        // It begins at the first name that goes, and then keeps pace from the other end.
        let script = format!(
            r#"cd d; go=; until [ "$go" ]; do set -- *; [ $# -lt {FILES} ] && go=1; done
            n={FILES}; while [ $n -gt 0 ]; do n=$((n - 1))
                echo "new $n" >../new && mv -T ../new $n && echo $n >>../attacker
            done"#
        );
        let mut attacker = Command::new("sh");
        attacker.args(["-c", &script]).current_dir(moving.home());
        attacker.stdin(Stdio::null()).stdout(Stdio::null());
        let attacker = Running::start(attacker);
        let finished = qfile_tests::process::run(moving.command(&["d"]));
        attacker.finish().assert_code(0);
        finished.assert_code(3);
        for number in 0..FILES {
            let content = fs::read_to_string(moving.path(&format!("d/{number}"))).unwrap();
            assert_eq!(content, format!("new {number}\n"), "{}", finished.stderr());
        }
        let left = fs::read_dir(moving.path("d")).unwrap();
        let private = left
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(".qvm-move-"));
        for name in private {
            finished.assert_says(&format!("is now \"{name}\""));
        }
        let told = finished.stderr();
        let heading = told
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(REPLACED));
        let count = heading.and_then(|rest| rest.strip_suffix("):"));
        replaced += count.map_or(0, |count| count.parse().unwrap());
    }
    assert!(
        0 < replaced && replaced < ROUNDS * FILES,
        "{replaced} were replaced before they would have been deleted: the race was none"
    );
}

/// A mover that strace stops at a call.
struct Stopped {
    running: Running,
    log: PathBuf,
    /// The mover's own process.
    pid: Pid,
}

impl Stopped {
    /// Starts to move `d`, and waits until the mover has made the call `call` for the `nth` time.
    fn after(moving: &Moving, call: &str, nth: u32) -> Self {
        let log = moving.qubes.root().join("trace");
        fifo::make(&log);
        let inject = format!("{call}:signal=STOP:when={nth}");
        let mut command = traced(moving, &log, &[&inject]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running::start(command);
        let mut told = BufReader::new(fifo::once_it_is_written(&log));
        let pid = stopped_process(&mut told);
        // What strace tells from now on has to be taken from it.
        drain(told);
        Self { running, log, pid }
    }

    /// Lets it go on to its end.
    fn go_on(self, moving: &Moving) -> Moved {
        kill_process(self.pid, Signal::CONT).unwrap();
        let finished = self.running.finish();
        fs::remove_file(self.log).unwrap();
        Moved {
            finished,
            left: moving.snapshot(),
        }
    }
}

/// `qvm-move-to-vm TARGET d` under strace with these injections, each the `inject=` of strace. Of all that it starts, only the mover makes these calls.
fn traced(moving: &Moving, log: &Path, injections: &[&str]) -> Command {
    let calls: Vec<&str> = injections
        .iter()
        .filter_map(|injection| injection.split(':').next())
        .collect();
    let log = log.to_str().expect("a plain path");
    let mut strace = ["strace", "-f", "-o", log, "-e"]
        .map(str::to_owned)
        .to_vec();
    strace.push(format!("trace={}", calls.join(",")));
    for injection in injections {
        strace.extend(["-e".to_owned(), format!("inject={injection}")]);
    }
    wrapped_in(&strace, &moving.command(&["d"]))
}

/// Waits for the process that strace says is stopped.
fn stopped_process(told: impl BufRead) -> Pid {
    let mut lines = told.lines().map(Result::unwrap);
    let stopped = lines.find(|line| line.contains("--- stopped by SIGSTOP ---"));
    let line = stopped.expect("the mover stops");
    let number = line.split_whitespace().next().unwrap().parse().unwrap();
    Pid::from_raw(number).unwrap()
}

/// The only private name in `folder`.
fn private_name(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder).unwrap();
    let mut names = entries.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(".qvm-move-")
    });
    let name = names.next().expect("there is one");
    assert_eq!(names.next(), None);
    name
}

/// One file in a folder.
fn one_file() -> Moving {
    let moving = Moving::new();
    moving.file("d/letter", "confirmed");
    moving
}

fn a_file_replaced_before_it_is_renamed_gets_its_name_back() {
    let moving = one_file();
    let stopped = Stopped::after(&moving, "renameat2", 1);
    let folder = moving.path("d");
    let private = private_name(&folder);
    // As if the new file had been there a moment before.
    fs::remove_file(&private).unwrap();
    fs::write(&private, "new").unwrap();
    let moved = stopped.go_on(&moving);
    moved.assert_stays(
        &moving.home(),
        &["d", "d/letter"],
        &[(REPLACED, "d/letter")],
    );
    assert_eq!(fs::read(moving.path("d/letter")).unwrap(), b"new");
}

fn a_file_changed_under_its_private_name_gets_its_own_back() {
    let moving = one_file();
    let stopped = Stopped::after(&moving, "renameat2", 1);
    let private = private_name(&moving.path("d"));
    assert!(private.to_string_lossy().ends_with("-letter"));
    fs::write(private, "changed").unwrap();
    let moved = stopped.go_on(&moving);
    moved.assert_stays(&moving.home(), &["d", "d/letter"], &[(CHANGED, "d/letter")]);
    assert_eq!(fs::read(moving.path("d/letter")).unwrap(), b"changed");
}

fn a_name_that_is_taken_meanwhile_is_not_overwritten() {
    let moving = one_file();
    let stopped = Stopped::after(&moving, "renameat2", 1);
    let private = private_name(&moving.path("d"));
    fs::write(&private, "changed").unwrap();
    moving.file("d/letter", "new");
    let moved = stopped.go_on(&moving);
    moved.finished.assert_code(3);
    assert_eq!(fs::read(moving.path("d/letter")).unwrap(), b"new");
    assert_eq!(fs::read(&private).unwrap(), b"changed");
    let name = private.file_name().unwrap().to_str().unwrap();
    moved.finished.assert_says("has another name now");
    moved
        .finished
        .assert_says(&format!("d/letter\" is now \"{name}\""));
    moved.finished.assert_says("    => ");
}

fn a_folder_that_is_filled_at_the_last_moment_stays() {
    let moving = one_file();
    // The first is the file's, the second the folder's.
    let stopped = Stopped::after(&moving, "renameat2", 2);
    let private = private_name(&moving.home());
    fs::write(private.join("new"), "new").unwrap();
    let moved = stopped.go_on(&moving);
    moved.assert_stays(
        &moving.home(),
        &["d", "d/new"],
        &[(
            "a folder to which something was added during the move (",
            "d",
        )],
    );
}

/// By another that is empty too.
fn a_folder_replaced_at_the_last_moment_stays() {
    let moving = one_file();
    let stopped = Stopped::after(&moving, "renameat2", 2);
    let private = private_name(&moving.home());
    fs::rename(&private, moving.path("other")).unwrap();
    fs::create_dir(&private).unwrap();
    let moved = stopped.go_on(&moving);
    moved.assert_stays(&moving.home(), &["d", "other"], &[(REPLACED, "d")]);
}

fn a_folder_moved_away_while_it_is_emptied_ends_the_work() {
    let moving = Moving::new();
    moving.file("d/sub/a", "confirmed");
    fs::create_dir(moving.path("elsewhere")).unwrap();
    let stopped = Stopped::after(&moving, "renameat2", 1);
    fs::rename(moving.path("d/sub"), moving.path("elsewhere/sub")).unwrap();
    let moved = stopped.go_on(&moving);
    // The file that was confirmed is deleted where it stands now; nothing else is.
    moved.assert_stays(
        &moving.home(),
        &["d", "elsewhere", "elsewhere/sub"],
        &[("no longer found under its name", "d/sub")],
    );
}

/// Between the renaming and the deletion.
fn a_mover_that_is_killed_loses_nothing() {
    let moving = one_file();
    let log = moving.qubes.root().join("trace");
    let inject = "unlinkat:signal=KILL:when=1";
    let moved = moving.run_command(traced(&moving, &log, &[inject]));
    assert_eq!(
        moved.finished.code(),
        128 + 9,
        "{}",
        moved.finished.stderr()
    );
    let private = private_name(&moving.path("d"));
    assert!(private.to_string_lossy().ends_with("-letter"));
    assert_eq!(fs::read(private).unwrap(), b"confirmed");
    assert_eq!(moving.arrived().paths(), ["d", "d/letter"]);
}

fn a_mover_that_is_interrupted_tells_that_something_is_left() {
    let moving = Moving::new();
    // More than can be deleted before the mover has seen the signal.
    for number in 0..1000 {
        moving.file(&format!("d/{number}"), "confirmed");
    }
    let stopped = Stopped::after(&moving, "renameat2", 2);
    kill_process(mover_of(stopped.pid), Signal::TERM).unwrap();
    let moved = stopped.go_on(&moving);
    moved.finished.assert_code(32);
    moved
        .finished
        .assert_says("cancelled while deleting: what was sent arrived");
    let left = moved.left.paths();
    // What was begun was done, or not; nothing has a private name.
    assert!(left.contains(&"d".to_owned()), "{left:?}");
    assert!(
        !left.iter().any(|path| path.contains(".qvm-move")),
        "{left:?}"
    );
}

/// The signal comes when only the folder is left to be deleted. That takes a while, so that the mover
/// has seen the signal before it is done: that it has must make no difference.
fn a_mover_that_is_interrupted_when_nothing_is_left_has_moved_everything() {
    let moving = one_file();
    let log = moving.qubes.root().join("trace");
    let injections = [
        "renameat2:signal=TERM:when=2",
        "unlinkat:delay_enter=300000:when=2",
    ];
    let moved = moving.run_command(traced(&moving, &log, &injections));
    let told = fs::read_to_string(log).unwrap();
    assert!(told.contains("SIGTERM"), "{told}");
    moved.assert_all_gone();
    assert_eq!(moving.arrived().paths(), ["d", "d/letter"]);
}

/// The process of a thread.
fn mover_of(thread: Pid) -> Pid {
    let status = fs::read_to_string(format!("/proc/{}/status", thread.as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    Pid::from_raw(line.unwrap().trim().parse().unwrap()).unwrap()
}

fn what_cannot_be_deleted_gets_its_name_back() {
    let moving = one_file();
    let log = moving.qubes.root().join("trace");
    let inject = "unlinkat:error=EIO";
    let moved = moving.run_command(traced(&moving, &log, &[inject]));
    moved.assert_stays(
        &moving.home(),
        &["d", "d/letter"],
        &[("cannot be deleted: Input/output error", "d/letter")],
    );
}
