//! A move never deletes the only good copy, its reports name each entry once, and what they propose
//! works and loses nothing.

use std::fs::{self, OpenOptions};
use std::process::Command;

use qfile_tests::fifo;
use qfile_tests::moving::{Moved, Moving};
use qfile_tests::process::run;
use qfile_tests::programs::{program, source};
use qfile_tests::qubes::{SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::user::{bind, in_private_mounts, needs_private_mounts};
use qfile_tests::windows::Windows;

suite! {
    a_move_into_a_disposable_is_refused_before_anything_is_sent,
    a_copy_into_a_disposable_comes_with_a_warning,
    a_copy_into_a_disposable_comes_with_a_window,
    a_qube_called_like_a_disposable_comes_with_a_warning,
    the_names_for_file_managers_take_no_target,
    a_dry_run_tells_of_disposables_where_dom0_decides,
    a_file_that_changes_while_it_is_copied_stays_and_is_named_once,
    a_changed_argument_is_named_once,
    a_changed_file_is_named_once_in_a_window,
    a_changed_file_that_is_sent_twice_stays_and_is_named_once,
    what_vanishes_while_it_is_copied_is_named_once,
    what_is_left_out_is_named_once,
    a_file_that_is_open_for_writing_stays,
    a_file_that_is_open_for_reading_is_moved,
    what_is_proposed_works_and_loses_nothing,
    a_move_to_the_same_qube_keeps_the_copy,
    a_folder_that_is_seen_twice_is_not_lost [needs_private_mounts],
    a_changed_file_that_is_seen_twice_stays [needs_private_mounts],
}

const TORN: &str =
    "changed while it was copied: the copy there may be inconsistent, the one here is correct (";

/// Longer than what fits between sender and receiver.
const LONG: usize = 3_000_000;

/// How often `text` is said.
fn count(moved: &Moved, text: &str) -> usize {
    moved.finished.stderr().matches(text).count()
}

/// Has `script` run in the home of the source when the first part of a long file was received.
fn while_it_is_sent(moving: &Moving, script: &str) {
    moving.set_service(&format!(
        "{{ head -c 1000; (cd '{}' && {{ {script}
        }}) >/dev/null </dev/null; cat; }} | '{}'",
        moving.home().display(),
        program("qfile-unpacker").display(),
    ));
}

fn move_to(moving: &Moving, arguments: &[&str]) -> Moved {
    let mut command = moving.qubes.command(SOURCE, "qvm-move-to-vm");
    command.args(arguments);
    moving.run_command(command)
}

fn copy_to(moving: &Moving, arguments: &[&str]) -> Command {
    let mut command = moving.qubes.command(SOURCE, "qvm-copy-to-vm");
    command.args(arguments);
    command
}

fn a_move_into_a_disposable_is_refused_before_anything_is_sent() {
    let moving = Moving::new();
    moving.file("letter", "the only copy");
    moving
        .qubes
        .set_policy("* * @anyvm @anyvm allow\n* * @anyvm @dispvm allow\n");
    let before = moving.snapshot();
    for target in ["@dispvm", "$dispvm", "@dispvm:vault", "$dispvm:vault"] {
        for option in ["--", "--dry-run", "--gui", "--ignore-symlinks"] {
            let moved = move_to(&moving, &[option, target, "letter"]);
            moved.finished.assert_code(2);
            moved.finished.assert_says("is a new disposable");
            moved
                .finished
                .assert_says("nothing was sent; copy the files with qvm-copy-to-vm");
            assert_eq!(moved.finished.stdout, b"");
            before.assert_unchanged(&moved.left);
        }
    }
}

fn a_copy_into_a_disposable_comes_with_a_warning() {
    let moving = Moving::new();
    moving.file("letter", "text");
    let allow = "* * @anyvm @anyvm allow\n* * @anyvm @dispvm allow\n";
    moving.qubes.set_policy(allow);
    let copied = run(copy_to(&moving, &["@dispvm", "letter"]));
    copied.assert_code(0);
    copied.assert_says("warning: the copy is deleted with the new disposable");
    let dry_run = run(copy_to(&moving, &["--dry-run", "$dispvm", "letter"]));
    dry_run.assert_code(0);
    let told = String::from_utf8(dry_run.stdout).unwrap();
    assert!(told.contains("warning: the copy is deleted"), "{told}");
    // And no other copy.
    let copied = run(copy_to(&moving, &[TARGET, "letter"]));
    copied.assert_code(0);
    assert!(!copied.stderr().contains("disposable"));
}

fn a_copy_into_a_disposable_comes_with_a_window() {
    let (moving, windows) = (Moving::new(), Windows::new());
    moving.file("letter", "text");
    moving.qubes.set_policy("* * @anyvm @dispvm allow\n");
    let mut command = copy_to(&moving, &["--gui", "@dispvm", "letter"]);
    windows.prepare(&mut command);
    run(command).assert_code(0);
    let told = windows.told("zenity--info");
    assert!(told.contains("the copy is deleted"), "{told}");
}

fn a_qube_called_like_a_disposable_comes_with_a_warning() {
    let moving = Moving::new();
    moving.qubes.add("disp1234");
    moving.file("letter", "text");
    let copied = run(copy_to(&moving, &["disp1234", "letter"]));
    copied.assert_code(0);
    copied.assert_says("if disp1234 is a disposable, the copy is deleted with it");
    moving.file("other", "text");
    let moved = move_to(&moving, &["disp1234", "other"]);
    moved.finished.assert_code(0);
    let warning = "if disp1234 is a disposable, files that are moved there are lost when it ends";
    moved.finished.assert_says(warning);
}

/// There it is the name of a file.
fn the_names_for_file_managers_take_no_target() {
    for name in ["qvm-move-to-vm.gnome", "qvm-move-to-vm.kde"] {
        let (moving, windows) = (Moving::new(), Windows::new());
        moving.file("@dispvm", "a file");
        moving.file("letter", "text");
        let script = source("packaging/file-managers").join(name);
        let mut command = moving.qubes.command_at(SOURCE, &script);
        command.args(["@dispvm", "letter"]);
        windows.prepare(&mut command);
        moving.run_command(command).assert_all_gone();
        assert_eq!(moving.arrived().paths(), ["@dispvm", "letter"]);
    }
}

fn a_dry_run_tells_of_disposables_where_dom0_decides() {
    let moving = Moving::new();
    moving.file("letter", "text");
    for (command, arguments, told) in [
        ("qvm-move", &["--dry-run", "letter"][..], true),
        ("qvm-move-to-vm", &["--dry-run", "letter"], true),
        ("qvm-move-to-vm", &["--dry-run", "@default", "letter"], true),
        ("qvm-move-to-vm", &["--dry-run", TARGET, "letter"], false),
        ("qvm-copy", &["--dry-run", "letter"], false),
    ] {
        let mut command = moving.qubes.command(SOURCE, command);
        command.args(arguments);
        let finished = run(command);
        finished.assert_code(0);
        let warns = String::from_utf8(finished.stdout).unwrap();
        assert_eq!(warns.contains("disposable"), told, "{warns}");
    }
}

/// Grown, or overwritten while it is read.
fn a_file_that_changes_while_it_is_copied_stays_and_is_named_once() {
    for script in [
        "echo more >>d/long",
        "printf x | dd of=d/long conv=notrunc 2>/dev/null",
    ] {
        let moving = Moving::new();
        moving.file("d/long", vec![b'o'; LONG]);
        while_it_is_sent(&moving, script);
        let moved = moving.run(&["d"]);
        moved.assert_stays(&moving.home(), &["d", "d/long"], &[(TORN, "d/long")]);
        assert_eq!(count(&moved, "d/long"), 1, "{}", moved.finished.stderr());
        assert_eq!(count(&moved, "delete it"), 0, "{}", moved.finished.stderr());
        assert_eq!(
            count(&moved, "everything"),
            0,
            "{}",
            moved.finished.stderr()
        );
        // What is proposed.
        moved
            .finished
            .assert_says("remove the copy there and move it again");
        let here = fs::read(moving.path("d/long")).unwrap();
        fs::remove_file(moving.incoming().join("d/long")).unwrap();
        let receiver = program("qfile-unpacker");
        moving.set_service(&format!("exec '{}'", receiver.display()));
        moving.run(&["d"]).assert_all_gone();
        assert!(fs::read(moving.incoming().join("d/long")).unwrap() == here);
    }
}

fn a_changed_argument_is_named_once() {
    let moving = Moving::new();
    moving.file("long", vec![b'o'; LONG]);
    moving.file("other", "text");
    while_it_is_sent(&moving, "echo more >>long");
    let moved = moving.run(&["long", "other"]);
    moved.assert_stays(&moving.home(), &["long"], &[(TORN, "long")]);
    assert_eq!(count(&moved, "/long"), 1, "{}", moved.finished.stderr());
}

fn a_changed_file_is_named_once_in_a_window() {
    let (moving, windows) = (Moving::new(), Windows::new());
    moving.file("d/long", vec![b'o'; LONG]);
    while_it_is_sent(&moving, "echo more >>d/long");
    let mut command = moving.command(&["--gui", "d"]);
    windows.prepare(&mut command);
    moving.run_command(command).finished.assert_code(3);
    let told = windows.told("zenity--error");
    assert_eq!(told.matches("d/long").count(), 1, "{told}");
    assert!(told.contains("the one here is correct"), "{told}");
}

/// The other of the two copies is whole, but which of them is, nobody can see there.
fn a_changed_file_that_is_sent_twice_stays_and_is_named_once() {
    for arguments in [["d/long", "d"], ["d", "d/long"]] {
        let moving = Moving::new();
        moving.file("d/long", vec![b'o'; LONG]);
        while_it_is_sent(&moving, "echo more >>d/long");
        let moved = moving.run(&arguments);
        moved.assert_stays(&moving.home(), &["d", "d/long"], &[(TORN, "d/long")]);
        assert_eq!(count(&moved, "d/long"), 1, "{}", moved.finished.stderr());
    }
}

/// Which of the two comes first, the file system decides: that one has been opened when both go.
fn what_vanishes_while_it_is_copied_is_named_once() {
    let moving = Moving::new();
    for name in ["d/one", "d/two"] {
        moving.file(name, vec![b'o'; LONG]);
    }
    while_it_is_sent(&moving, "rm d/one d/two");
    let moved = moving.run(&["d"]);
    moved.finished.assert_code(3);
    moved
        .finished
        .assert_says("2 entries are not deleted here:");
    moved
        .finished
        .assert_says("moved or deleted before it could be copied");
    moved.finished.assert_says("no longer found under its name");
    for name in ["d/one\"\n", "d/two\"\n"] {
        assert_eq!(count(&moved, name), 1, "{}", moved.finished.stderr());
    }
    assert_eq!(moved.left.paths(), [""; 0]);
}

fn what_is_left_out_is_named_once() {
    let moving = Moving::new();
    moving.file("d/f", "text");
    fifo::make(&moving.path("d/pipe"));
    fifo::make(&moving.path("top pipe"));
    let moved = moving.run(&["d", "top pipe", "d/pipe"]);
    moved.finished.assert_code(3);
    moved
        .finished
        .assert_says("2 entries are not deleted here:");
    for name in ["d/pipe\"\n", "top pipe\"\n"] {
        assert_eq!(count(&moved, name), 1, "{}", moved.finished.stderr());
    }
    assert_eq!(moved.left.paths(), ["d", "d/pipe", "top pipe"]);
}

/// What is written to it later would be lost.
fn a_file_that_is_open_for_writing_stays() {
    let moving = Moving::new();
    moving.file("d/letter", "text");
    moving.file("d/other", "text");
    let mut options = OpenOptions::new();
    let writer = options.append(true).open(moving.path("d/letter")).unwrap();
    let moved = moving.run(&["d"]);
    moved.finished.assert_code(3);
    assert_eq!(moved.left.paths(), ["d", "d/letter"]);
    moved
        .finished
        .assert_says("open for writing: later changes are only in the file here");
    moved.finished.assert_says("d/letter\" (in ");
    drop(writer);
    // What is proposed.
    fs::remove_file(moving.incoming().join("d/letter")).unwrap();
    moving.run(&["d"]).assert_all_gone();
    assert_eq!(moving.arrived().paths(), ["d", "d/letter", "d/other"]);
}

fn a_file_that_is_open_for_reading_is_moved() {
    let moving = Moving::new();
    moving.file("d/letter", "text");
    let _reader = fs::File::open(moving.path("d/letter")).unwrap();
    moving.run(&["d"]).assert_all_gone();
}

/// What happens meanwhile, why something stays, what the report proposes, and how it is done by
/// hand: here in `$PWD`, there in `$THERE`. Then it is moved again, and all that was ever written is
/// there.
fn what_is_proposed_works_and_loses_nothing() {
    let table: [(&str, &str, &str, &str, &[&str]); 6] = [
        (
            "echo new >d/a",
            "changed since it was copied",
            "remove the copy there or rename the one here, and move it again",
            "rm \"$THERE/d/a\"",
            &["new"],
        ),
        (
            "echo new >d/a",
            "changed since it was copied",
            "remove the copy there or rename the one here, and move it again",
            "mv d/a d/renamed",
            &["new", "first"],
        ),
        (
            "echo new >new; mv new d/a",
            "replaced by something else",
            "keep the copy there; rename what is here and move it again",
            "mv d/a d/renamed",
            &["new", "first"],
        ),
        (
            "mv d/b b; mkdir d/b; echo new >d/b/x; rm -r b",
            "replaced by something else",
            "keep the copy there; rename what is here and move it again",
            "mv d/b d/renamed",
            &["new", "first", "second"],
        ),
        (
            "echo new >d/new; mkdir d/more; echo newer >d/more/x",
            "not among the entries that were copied",
            "there is no copy of it there; move it again",
            "true",
            &["new", "newer", "first"],
        ),
        (
            "mv d/a d/other",
            "no longer found under its name",
            "keep the copy there, and look for it here under another name",
            "ls d/other",
            &["first"],
        ),
    ];
    for (meanwhile, reason, advice, by_hand, contents) in table {
        let moving = Moving::new();
        moving.file("d/a", "first");
        moving.file("d/b/c", "second");
        moving.before_the_verdict(meanwhile);
        let moved = moving.run(&["d"]);
        moved.finished.assert_code(3);
        moved.finished.assert_says(reason);
        moved.finished.assert_says(advice);
        let mut hand = Command::new("sh");
        hand.args(["-ec", by_hand]).current_dir(moving.home());
        hand.env("THERE", moving.incoming());
        run(hand).assert_code(0);
        let receiver = program("qfile-unpacker");
        moving.set_service(&format!("exec '{}'", receiver.display()));
        moving.run(&["d"]).assert_all_gone();
        let mut grep = Command::new("grep");
        grep.args(["-rh", ""]).arg(moving.incoming());
        let there = String::from_utf8(run(grep).stdout).unwrap();
        for content in contents {
            let found = there.lines().any(|line| line == *content);
            assert!(found, "{meanwhile}: {content} is not among {there}");
        }
    }
}

/// Where policy allows a qube to call itself.
fn a_move_to_the_same_qube_keeps_the_copy() {
    let moving = Moving::new();
    moving.file("d/a", "text");
    let moved = move_to(&moving, &[SOURCE, "d"]);
    let copy = moving.qubes.incoming(SOURCE, SOURCE).join("d/a");
    match moved.finished.code() {
        0 => assert_eq!(fs::read(copy).unwrap(), b"text"),
        _ => assert_eq!(fs::read(moving.path("d/a")).unwrap(), b"text"),
    }
    // The folder that it lands in.
    fs::create_dir_all(moving.qubes.incoming(SOURCE, SOURCE)).unwrap();
    fs::write(moving.qubes.incoming(SOURCE, SOURCE).join("b"), "other").unwrap();
    move_to(&moving, &[SOURCE, "QubesIncoming/work/b"]);
    let kept = moving.qubes.incoming(SOURCE, SOURCE).join("b");
    assert_eq!(fs::read(kept).unwrap(), b"other");
}

/// The second time everything in it is gone; both copies are there.
fn a_folder_that_is_seen_twice_is_not_lost() {
    in_private_mounts(|| {
        let moving = Moving::new();
        moving.file("d/a", "text");
        fs::create_dir(moving.path("e")).unwrap();
        bind(&moving.path("d"), &moving.path("e"));
        let moved = moving.run(&["d", "e"]);
        moved.finished.assert_code(3);
        let stderr = moved.finished.stderr();
        assert!(!stderr.contains("delete it yourself\n"), "{stderr}");
        for name in ["d/a", "e/a"] {
            assert_eq!(fs::read(moving.incoming().join(name)).unwrap(), b"text");
        }
    });
}

/// Changed on the way by one path, whole on the way by the other.
fn a_changed_file_that_is_seen_twice_stays() {
    in_private_mounts(|| {
        let moving = Moving::new();
        moving.file("d/long", vec![b'o'; LONG]);
        fs::create_dir(moving.path("e")).unwrap();
        bind(&moving.path("d"), &moving.path("e"));
        while_it_is_sent(&moving, "echo more >>d/long");
        let moved = moving.run(&["d", "e"]);
        moved.assert_stays(
            &moving.home(),
            &["d", "d/long", "e", "e/long"],
            &[(TORN, "d/long"), (TORN, "e/long")],
        );
    });
}
