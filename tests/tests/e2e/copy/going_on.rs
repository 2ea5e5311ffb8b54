//! Going on after a copy that stopped: what arrived is not sent again, what changed since is never
//! taken for sent, and a move deletes only what was confirmed. Each proposal that a message makes is
//! followed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use qfile_tests::fifo;
use qfile_tests::moving::Moving;
use qfile_tests::process::{Finished, Running, run};
use qfile_tests::programs::program;
use qfile_tests::qubes::{SOURCE, TARGET};
use qfile_tests::suite;
use rustix::process::{Pid, Signal, kill_process_group};

suite! {
    after_a_name_that_is_taken_the_rest_is_sent,
    a_file_that_becomes_shorter_stops_a_copy_and_the_rest_is_sent_later,
    folders_of_folders_are_gone_on_with,
    what_changed_since_is_left_out_and_named,
    the_copy_may_stop_again_and_again,
    a_move_keeps_what_arrived_in_the_call_that_stopped,
    a_move_that_is_cancelled_before_it_deletes_is_gone_on_with,
    ctrl_c_waits_for_the_verdict_and_the_rest_is_sent,
    to_go_on_is_refused_where_there_is_nothing_or_something_else_to_go_on_with,
    into_a_new_disposable_nothing_is_gone_on_with,
    a_call_that_stops_meanwhile_is_not_forgotten,
    a_planted_journal_is_no_call,
    where_nothing_had_arrived_the_copy_is_tried_again,
    a_thing_may_arrive_under_another_name,
    a_name_that_nothing_can_have_is_refused_before_anything_is_asked,
    one_refused_link_does_not_block_a_folder,
    with_nothing_but_refused_links_nobody_is_asked,
    with_nothing_but_ignored_links_nothing_is_sent,
    at_the_last_file_the_rest_is_sent_however_small_it_is,
    in_a_folder_that_is_gone_nothing_is_sent,
}

/// More than every buffer on the way.
const LARGE: usize = 8 << 20;

/// Three files, sent one after the other in this order.
const FILES: [&str; 3] = ["a", "b", "c"];

fn three_files() -> Moving {
    let moving = Moving::new();
    for name in FILES {
        moving.file(name, format!("content of {name}"));
    }
    moving
}

/// Runs a command of the source qube.
fn type_in(moving: &Moving, line: &[&str]) -> Finished {
    run(typed(moving, line))
}

fn typed(moving: &Moving, line: &[&str]) -> Command {
    let mut command = moving.qubes.command(SOURCE, line[0]);
    command.args(&line[1..]);
    command
}

/// Takes the name of `b` in the other qube.
fn take_b(moving: &Moving) {
    fs::create_dir_all(moving.incoming()).unwrap();
    fs::write(moving.incoming().join("b"), "before").unwrap();
}

/// Follows the proposal to move what is in the way.
fn free_b(moving: &Moving) {
    let incoming = moving.incoming();
    fs::rename(incoming.join("b"), incoming.join("old b")).unwrap();
}

fn assert_arrived(moving: &Moving, names: &[&str]) {
    for name in names {
        let content = fs::read_to_string(moving.incoming().join(name)).unwrap();
        assert_eq!(content, format!("content of {name}"));
    }
}

fn after_a_name_that_is_taken_the_rest_is_sent() {
    let moving = three_files();
    take_b(&moving);
    let stopped = type_in(&moving, &[&["qvm-copy-to-vm", TARGET], &FILES[..]].concat());
    stopped.assert_code(1);
    stopped.assert_says("A file named \"b\" already exists");
    stopped.assert_says("move or rename it in the target qube's QubesIncoming folder\n");
    stopped
        .assert_says("1 file or link arrived before that; to send the rest: qvm-copy --continue");
    free_b(&moving);
    let rest = type_in(&moving, &["qvm-copy", "--continue"]);
    rest.assert_code(0);
    rest.assert_says("2 files copied");
    assert_arrived(&moving, &FILES);
    // It is done with.
    type_in(&moving, &["qvm-copy", "--continue"]).assert_code(1);
}

fn at_the_last_file_the_rest_is_sent_however_small_it_is() {
    for limit in ["--max-bytes 30", "--max-files 2"] {
        let moving = three_files();
        let unpacker = program("qfile-unpacker");
        moving.set_service(&format!("exec '{}' {limit}", unpacker.display()));
        let stopped = type_in(&moving, &[&["qvm-copy-to-vm", TARGET], &FILES[..]].concat());
        stopped.assert_code(1);
        stopped.assert_says("if the rest is refused too, raise the limit there\n");
        stopped.assert_says("2 files and links arrived before that; to send the rest: qvm-copy");
        moving.set_service(&format!("exec '{}'", unpacker.display()));
        type_in(&moving, &["qvm-copy", "--continue"]).assert_code(0);
        assert_arrived(&moving, &FILES);
    }
}

fn in_a_folder_that_is_gone_nothing_is_sent() {
    let moving = three_files();
    moving.set_service(": > ../called");
    fs::create_dir(moving.path("gone")).unwrap();
    let copy = program("qvm-copy");
    for (name, code) in [("qvm-copy-to-vm", 1), ("qvm-move-to-vm", 1)] {
        let mut shell = moving.qubes.command_at(SOURCE, "bash".as_ref());
        shell.args([
            "-c",
            "mkdir -p gone; cd gone; rmdir ../gone; exec -a \"$0\" \"$@\"",
        ]);
        shell.arg(name).arg(&copy).args([TARGET, "../a"]);
        let refused = run(shell);
        refused.assert_code(code);
        refused.assert_says("cannot open the working directory: ");
        refused.assert_says("change to a folder that you can enter\n");
    }
    assert!(!moving.qubes.root().join(TARGET).join("called").exists());
}

fn with_nothing_but_ignored_links_nothing_is_sent() {
    let moving = three_files();
    symlink("a", moving.path("link")).unwrap();
    fs::create_dir(moving.path("empty")).unwrap();
    symlink("a", moving.path("empty/link")).unwrap();
    for options in [
        &["--ignore-symlinks"][..],
        &["--ignore-symlinks", "--dry-run"],
    ] {
        let refused = type_in(
            &moving,
            &[&["qvm-copy-to-vm"], options, &[TARGET, "link"]].concat(),
        );
        refused.assert_code(1);
        refused.assert_says("nothing was sent, because --ignore-symlinks leaves out everything\n");
    }
    // A folder is something, even if it arrives empty.
    type_in(
        &moving,
        &[
            "qvm-copy-to-vm",
            "--ignore-symlinks",
            TARGET,
            "empty",
            "link",
        ],
    )
    .assert_code(0);
    assert!(moving.incoming().join("empty").is_dir());
}

/// Has the receiver take `a` and a part of `b`, which is large, and then nothing until the test lets it
/// go: the path of the gate for [`fifo::once_it_is_read`]. It takes the rest a moment later, so that a
/// sender that is cancelled before notices that before everything has arrived.
fn hold_in_b(moving: &Moving) -> PathBuf {
    moving.file("b", vec![b'x'; LARGE]);
    let gate = moving.qubes.root().join("gate");
    fifo::make(&gate);
    moving.set_service(&format!(
        "{{ head -c 100000; cat '{}'; sleep 1; cat; }} | '{}'",
        gate.display(),
        program("qfile-unpacker").display()
    ));
    gate
}

/// Lets the receiver take all again, and goes on.
fn go_on_in_b(moving: &Moving) {
    moving.set_service(&format!("exec '{}'", program("qfile-unpacker").display()));
    type_in(moving, &["qvm-copy", "--continue"]).assert_code(0);
    assert_arrived(moving, &["a", "c"]);
    let arrived = fs::metadata(moving.incoming().join("b")).unwrap();
    assert_eq!(arrived.len(), LARGE as u64);
}

fn a_file_that_becomes_shorter_stops_a_copy_and_the_rest_is_sent_later() {
    let moving = three_files();
    let gate = hold_in_b(&moving);
    let mut command = typed(&moving, &["qvm-copy", "a", "b", "c"]);
    command.stdin(Stdio::null());
    let running = Running::start(command);
    let waiting = fifo::once_it_is_read(&gate);
    moving.file("b", "short");
    drop(waiting);
    let stopped = running.finish();
    stopped.assert_code(1);
    stopped.assert_says("\"b\" became shorter while it was copied");
    stopped.assert_says("1 file or link arrived before that");
    moving.file("b", vec![b'x'; LARGE]);
    go_on_in_b(&moving);
}

fn folders_of_folders_are_gone_on_with() {
    let moving = Moving::new();
    for name in ["d/e/a", "d/f/b", "g/c"] {
        moving.file(name, format!("content of {name}"));
    }
    symlink("a", moving.path("d/e/link")).unwrap();
    fs::create_dir_all(moving.incoming().join("g")).unwrap();
    fs::write(moving.incoming().join("g/c"), "before").unwrap();
    let stopped = type_in(&moving, &["qvm-copy-to-vm", TARGET, "./d/", "g"]);
    stopped.assert_code(1);
    stopped.assert_says("3 files and links arrived before that");
    fs::remove_file(moving.incoming().join("g/c")).unwrap();
    // Typed again with the option, as one does.
    let rest = type_in(
        &moving,
        &["qvm-copy-to-vm", "--continue", TARGET, "./d/", "g"],
    );
    rest.assert_code(0);
    rest.assert_says("1 file and 4 folders copied");
    assert_arrived(&moving, &["d/e/a", "d/f/b", "g/c"]);
}

fn what_changed_since_is_left_out_and_named() {
    let moving = three_files();
    take_b(&moving);
    type_in(&moving, &["qvm-copy", "a", "b", "c"]).assert_code(1);
    free_b(&moving);
    moving.file("a", "another content");
    let rest = type_in(&moving, &["qvm-copy", "--continue"]);
    rest.assert_code(3);
    rest.assert_says(
        "\"a\" has changed since it was copied: left out; copy it under another name with --as",
    );
    assert_arrived(&moving, &FILES);
    let other = type_in(&moving, &["qvm-copy", "--as", "a2", "a"]);
    other.assert_code(0);
    let content = fs::read_to_string(moving.incoming().join("a2")).unwrap();
    assert_eq!(content, "another content");
}

fn the_copy_may_stop_again_and_again() {
    let moving = three_files();
    take_b(&moving);
    type_in(&moving, &["qvm-copy", "a", "b", "c"]).assert_code(1);
    // Nothing was done about it.
    let again = type_in(&moving, &["qvm-copy", "--continue"]);
    again.assert_code(1);
    again.assert_says("send the rest: qvm-copy --continue");
    free_b(&moving);
    fs::write(moving.incoming().join("c"), "before").unwrap();
    type_in(&moving, &["qvm-copy", "--continue"]).assert_code(1);
    assert_arrived(&moving, &["a", "b"]);
    fs::remove_file(moving.incoming().join("c")).unwrap();
    let last = type_in(&moving, &["qvm-copy", "--continue"]);
    last.assert_code(0);
    last.assert_says("2 files and links arrived before");
    last.assert_says("1 file copied");
    assert_arrived(&moving, &FILES);
}

fn a_move_keeps_what_arrived_in_the_call_that_stopped() {
    let moving = three_files();
    take_b(&moving);
    let stopped = type_in(&moving, &["qvm-move", "a", "b", "c"]);
    stopped.assert_code(1);
    stopped.assert_says("nothing was deleted");
    stopped.assert_says("send the rest: qvm-move --continue");
    stopped.assert_says(
        "the files that arrived are not deleted here, because they were never confirmed",
    );
    free_b(&moving);
    let rest = type_in(&moving, &["qvm-move", "--continue"]);
    rest.assert_code(3);
    rest.assert_says("arrived in the call that stopped, and was never confirmed (1):");
    let left: Vec<bool> = FILES.map(|name| moving.path(name).exists()).into();
    assert_eq!(left, [true, false, false], "{}", rest.stderr());
    assert_arrived(&moving, &FILES);
    rest.assert_says("remove the copy there and move it again, without --continue");
    rest.assert_says("To move an entry of a folder again, name the folder, as you did before");
    // Where the same is passed over, the copy can stay.
    let receiver = program("qfile-unpacker");
    let passes_over = format!("exec '{}' --on-conflict=skip-identical", receiver.display());
    let content = fs::read(moving.path("a")).unwrap();
    moving.set_service(&passes_over);
    type_in(&moving, &["qvm-move", "a"]).assert_code(0);
    assert!(!moving.path("a").exists());
    moving.set_service(&format!("exec '{}'", receiver.display()));
    fs::write(moving.path("a"), content).unwrap();
    fs::remove_file(moving.incoming().join("a")).unwrap();
    type_in(&moving, &["qvm-move", "a"]).assert_code(0);
    assert!(!moving.path("a").exists());
    assert_arrived(&moving, &FILES);
}

fn a_move_that_is_cancelled_before_it_deletes_is_gone_on_with() {
    let moving = three_files();
    let gate = moving.hold_the_verdict();
    let mut command = typed(&moving, &["qvm-move", "a", "b", "c"]);
    command.stdin(Stdio::null());
    let running = Running::start(command);
    let waiting = fifo::once_it_is_read(&gate);
    kill_process_group(Pid::from_child(&running.child), Signal::INT).unwrap();
    drop(waiting);
    let cancelled = running.finish();
    cancelled.assert_code(32);
    cancelled.assert_says("nothing was deleted");
    cancelled.assert_says("delete it here: qvm-move --continue");
    // One of them is another by now.
    moving.file("b", "another content");
    let rest = type_in(&moving, &["qvm-move", "--continue"]);
    rest.assert_code(3);
    let left: Vec<bool> = FILES.map(|name| moving.path(name).exists()).into();
    assert_eq!(left, [false, true, false], "{}", rest.stderr());
    assert_eq!(fs::read_dir(moving.incoming()).unwrap().count(), 3);
}

fn ctrl_c_waits_for_the_verdict_and_the_rest_is_sent() {
    for signal in [Signal::INT, Signal::HUP] {
        let moving = three_files();
        let gate = hold_in_b(&moving);
        let mut command = typed(&moving, &["qvm-copy", "a", "b", "c"]);
        command.stdin(Stdio::null());
        let running = Running::start(command);
        let waiting = fifo::once_it_is_read(&gate);
        kill_process_group(Pid::from_child(&running.child), signal).unwrap();
        drop(waiting);
        let cancelled = running.finish();
        cancelled.assert_code(32);
        cancelled.assert_says("cancelled");
        cancelled.assert_says("1 file or link arrived before that");
        let told = cancelled.stderr();
        assert!(!told.contains("Fatal"), "{told}");
        go_on_in_b(&moving);
    }
}

fn to_go_on_is_refused_where_there_is_nothing_or_something_else_to_go_on_with() {
    let moving = three_files();
    let nothing = type_in(&moving, &["qvm-copy", "--continue"]);
    nothing.assert_code(1);
    nothing.assert_says("there is no call to continue");
    take_b(&moving);
    type_in(&moving, &["qvm-copy", "a", "b"]).assert_code(1);
    let move_on = type_in(&moving, &["qvm-move", "--continue"]);
    move_on.assert_code(2);
    move_on.assert_says("the last call that stopped was a copy");
    for other in [
        &["qvm-copy", "--continue", "a"][..],
        &["qvm-copy", "--continue", "--ignore-symlinks"],
        &["qvm-copy-to-vm", "--continue", "other", "a", "b"],
    ] {
        let refused = type_in(&moving, other);
        refused.assert_code(2);
        refused.assert_says("qvm-copy --continue");
    }
    free_b(&moving);
    type_in(&moving, &["qvm-copy", "--continue"]).assert_code(0);
}

/// The rest would be sent to another disposable, without what arrived in the first.
fn into_a_new_disposable_nothing_is_gone_on_with() {
    let moving = three_files();
    let template = moving
        .qubes
        .root()
        .join("default-dvm/home/QubesIncoming/work");
    fs::create_dir_all(&template).unwrap();
    fs::write(template.join("b"), "before").unwrap();
    let stopped = type_in(&moving, &["qvm-copy-to-vm", "@dispvm", "a", "b", "c"]);
    stopped.assert_code(1);
    stopped.assert_says("the files that arrived were deleted with it; name all files again");
    let told = stopped.stderr();
    assert!(!told.contains("--continue"), "{told}");
    type_in(&moving, &["qvm-copy", "--continue"]).assert_code(1);
    fs::remove_file(template.join("b")).unwrap();
    type_in(&moving, &["qvm-copy-to-vm", "@dispvm", "a", "b", "c"]).assert_code(0);
}

fn journal_of(moving: &Moving) -> PathBuf {
    moving.qubes.root().join(SOURCE).join("state/qfile/journal")
}

fn a_call_that_stops_meanwhile_is_not_forgotten() {
    let moving = three_files();
    moving.file("d", "content of d");
    take_b(&moving);
    type_in(&moving, &["qvm-copy", "a", "b", "c"]).assert_code(1);
    free_b(&moving);
    let gate = moving.hold_the_verdict();
    let mut command = typed(&moving, &["qvm-copy", "--continue"]);
    command.stdin(Stdio::null());
    let running = Running::start(command);
    let waiting = fifo::once_it_is_read(&gate);
    // Nobody else goes on with the same.
    let second = type_in(&moving, &["qvm-copy", "--continue"]);
    second.assert_code(1);
    second.assert_says("another command is continuing the last call that stopped");
    moving.set_service(&format!("exec '{}'", program("qfile-unpacker").display()));
    fs::write(moving.incoming().join("e"), "before").unwrap();
    moving.file("e", "content of e");
    let other = type_in(&moving, &["qvm-copy", "d", "e"]);
    other.assert_code(1);
    other.assert_says("send the rest: qvm-copy --continue");
    drop(waiting);
    running.finish().assert_code(0);
    fs::remove_file(moving.incoming().join("e")).unwrap();
    type_in(&moving, &["qvm-copy", "--continue"]).assert_code(0);
    assert_arrived(&moving, &["a", "b", "c", "d", "e"]);
}

/// Whatever is there, nothing of it is sent or deleted, nobody waits for it, and the next call that
/// stops takes its place.
fn a_planted_journal_is_no_call() {
    let moving = three_files();
    let journal = journal_of(&moving);
    fs::create_dir_all(journal.parent().unwrap()).unwrap();
    let elsewhere = moving.qubes.root().join("elsewhere");
    fs::write(&elsewhere, "theirs").unwrap();
    let plants: [&dyn Fn(); 4] = [
        &|| symlink(&elsewhere, &journal).unwrap(),
        &|| symlink("/dev/zero", &journal).unwrap(),
        &|| fifo::make(&journal),
        &|| fs::write(&journal, "qfile-journal 1\nd\u{1}\0\0rest").unwrap(),
    ];
    for plant in plants {
        plant();
        for command in ["qvm-copy", "qvm-move"] {
            let refused = type_in(&moving, &[command, "--continue"]);
            refused.assert_code(1);
            refused.assert_says("cannot read the journal of the last call that stopped");
        }
        assert_eq!(moving.snapshot().paths(), FILES);
        take_b(&moving);
        type_in(&moving, &["qvm-copy", "a", "b", "c"]).assert_code(1);
        free_b(&moving);
        type_in(&moving, &["qvm-copy", "--continue"]).assert_code(0);
        assert_arrived(&moving, &FILES);
        fs::remove_dir_all(moving.incoming()).unwrap();
    }
    assert_eq!(fs::read(&elsewhere).unwrap(), b"theirs");
}

fn where_nothing_had_arrived_the_copy_is_tried_again() {
    let moving = three_files();
    take_b(&moving);
    let stopped = type_in(&moving, &["qvm-copy", "b"]);
    stopped.assert_code(1);
    stopped.assert_says("QubesIncoming folder, and copy again; or copy it with --as NAME");
    assert!(
        !stopped.stderr().contains("--continue"),
        "{}",
        stopped.stderr()
    );
    type_in(&moving, &["qvm-copy", "--as", "b2", "b"]).assert_code(0);
    free_b(&moving);
    type_in(&moving, &["qvm-copy", "b"]).assert_code(0);
    assert_arrived(&moving, &["b"]);
}

fn a_thing_may_arrive_under_another_name() {
    let moving = Moving::new();
    moving.file("d/e/f", "content of d/e/f");
    type_in(&moving, &["qvm-copy", "--as", "new", "d/e"]).assert_code(0);
    assert_eq!(moving.arrived().paths(), ["new", "new/f"]);
    // And what was confirmed under it is what is deleted here.
    let moved = type_in(&moving, &["qvm-move", "--as=other", "d/e"]);
    moved.assert_code(0);
    assert_eq!(
        moving.arrived().paths(),
        ["new", "new/f", "other", "other/f"]
    );
    assert_eq!(moving.snapshot().paths(), ["d"]);
}

fn a_name_that_nothing_can_have_is_refused_before_anything_is_asked() {
    let moving = three_files();
    for line in [
        &["qvm-copy", "--as", "x", "a", "b"][..],
        &["qvm-copy", "--as", "x/y", "a"],
        &["qvm-copy", "--as", "..", "a"],
        &["qvm-copy", "--as", "", "a"],
    ] {
        type_in(&moving, line).assert_code(2);
    }
    assert!(!moving.incoming().exists());
    // A name that is not safe for display asks for the service that takes it.
    let dry_run = type_in(&moving, &["qvm-copy", "--dry-run", "--as", "\u{202e}", "a"]);
    let told = String::from_utf8(dry_run.stdout).unwrap();
    assert!(told.contains("+allow-all-names"), "{told}");
}

fn one_refused_link_does_not_block_a_folder() {
    let moving = Moving::new();
    moving.file("d/file", "content of d/file");
    symlink("file", moving.path("d/fine")).unwrap();
    symlink("/etc/passwd", moving.path("d/root")).unwrap();
    symlink("../up", moving.path("d/up")).unwrap();
    let refused = type_in(&moving, &["qvm-move", "d"]);
    refused.assert_code(1);
    refused.assert_says("--skip-refused leaves out only these");
    let moved = type_in(&moving, &["qvm-move", "--skip-refused", "d"]);
    moved.assert_code(3);
    moved.assert_says("left out by --skip-refused: the other qube would refuse it (2):");
    moved.assert_says("/d/root");
    moved.assert_says("/d/up");
    assert_eq!(moving.arrived().paths(), ["d", "d/file", "d/fine"]);
    assert_eq!(moving.snapshot().paths(), ["d", "d/root", "d/up"]);
}

fn with_nothing_but_refused_links_nobody_is_asked() {
    let moving = Moving::new();
    symlink("/etc/passwd", moving.path("root")).unwrap();
    let nothing = type_in(&moving, &["qvm-copy", "--skip-refused", "root"]);
    nothing.assert_code(1);
    nothing.assert_says("nothing was sent, because everything would be left out");
    assert!(!moving.incoming().exists());
}
