//! What is not confirmed is not deleted: not after a failure, not on the word of a hostile receiver,
//! not when anything on the way ends early.

use std::fs;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};

use qfile_tests::fifo;
use qfile_tests::moving::Moving;
use qfile_tests::process::Running;
use qfile_tests::programs::program;
use qfile_tests::suite;
use qfile_tests::tree::Snapshot;

suite! {
    a_refused_call_deletes_nothing,
    a_refused_name_deletes_nothing,
    a_copy_that_fails_deletes_nothing,
    a_receiver_that_lies_deletes_nothing,
    a_confirmation_of_something_else_deletes_nothing,
    a_confirmation_that_is_cut_deletes_nothing,
    a_confirmation_that_never_comes_deletes_nothing,
    a_sender_that_is_killed_deletes_nothing,
    the_status_of_the_service_does_not_undo_a_confirmation,
}

/// Enough to move; what is there.
fn something() -> (Moving, Snapshot) {
    let moving = Moving::new();
    moving.file("d/e/f", "content");
    moving.file("d/g", vec![7; 300_000]);
    moving.file("h", "");
    let before = moving.snapshot();
    (moving, before)
}

/// The verdict's first 16 bytes, for `printf`.
const CONFIRMED_NOTHING: &str = r"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

#[track_caller]
fn assert_deletes_nothing(service: &str) {
    let (moving, before) = something();
    moving.set_service(service);
    let moved = moving.run(&["d", "h"]);
    moved.assert_nothing_deleted(1, &before.with_times_of_access(&moved.left));
}

fn a_refused_call_deletes_nothing() {
    let (moving, before) = something();
    moving.qubes.set_policy("* * @anyvm @anyvm deny\n");
    let moved = moving.run(&["d", "h"]);
    moved.assert_nothing_deleted(126, &before.with_times_of_access(&moved.left));
}

fn a_refused_name_deletes_nothing() {
    let (moving, _) = something();
    moving.file("d/\u{202e}", "");
    let before = moving.snapshot();
    moving.qubes.set_policy(
        "qubes.Filecopy +allow-all-names @anyvm @anyvm deny\n* * @anyvm @anyvm allow\n",
    );
    let moved = moving.run(&["d", "h"]);
    moved.assert_nothing_deleted(126, &before.with_times_of_access(&moved.left));
}

/// One of two arguments is there already: what came before it has arrived and is not deleted.
fn a_copy_that_fails_deletes_nothing() {
    let (moving, before) = something();
    fs::create_dir_all(moving.incoming()).unwrap();
    fs::write(moving.incoming().join("h"), "before").unwrap();
    let moved = moving.run(&["d", "h"]);
    moved.assert_nothing_deleted(1, &before.with_times_of_access(&moved.left));
    moved.finished.assert_says("already exists");
    assert!(moving.incoming().join("d/e/f").exists());
}

fn a_receiver_that_lies_deletes_nothing() {
    for status in [0, 1, 2, 3, 32, 125, 126] {
        // Without a verdict.
        let gone = if status == 126 { 1 } else { status };
        assert_deletes_nothing(&format!("exit {gone}"));
        assert_deletes_nothing(&format!("head -c 1000 >/dev/null; exit {gone}"));
    }
    assert_deletes_nothing("kill -9 $$");
    // Before the end, and reading on.
    assert_deletes_nothing(&format!(
        "printf '{CONFIRMED_NOTHING}'; exec 1>&-; cat >/dev/null; exit 0"
    ));
    assert_deletes_nothing(&format!(
        "head -c 1000 >/dev/null; printf '{CONFIRMED_NOTHING}'; exit 0"
    ));
    // Text.
    assert_deletes_nothing("echo fine; exit 0");
}

/// The right bytes, but for the checksum.
fn a_confirmation_of_something_else_deletes_nothing() {
    let receiver = program("qfile-unpacker");
    let wrong = format!(
        "'{}' >\"$HOME/verdict\"; head -c 8 \"$HOME/verdict\"; printf '\\001\\002\\003\\004\\0\\0\\0\\0'",
        receiver.display()
    );
    assert_deletes_nothing(&wrong);
    let without = format!(
        "'{}' >\"$HOME/verdict\"; printf '{CONFIRMED_NOTHING}'",
        receiver.display()
    );
    assert_deletes_nothing(&without);
}

fn a_confirmation_that_is_cut_deletes_nothing() {
    for len in [1, 8, 15] {
        assert_deletes_nothing(&format!(
            "'{}' >\"$HOME/verdict\"; head -c {len} \"$HOME/verdict\"",
            program("qfile-unpacker").display()
        ));
    }
}

/// Everything was sent and received; the user gives up waiting.
fn a_confirmation_that_never_comes_deletes_nothing() {
    let (moving, before) = something();
    let gate = moving.hold_the_verdict();
    let mut command = moving.command(&["d", "h"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let running = Running::start(command);
    let waiting = fifo::once_it_is_read(&gate);
    kill_process_group(Pid::from_child(&running.child), Signal::INT).unwrap();
    drop(waiting);
    let finished = running.finish();
    let left = moving.snapshot();
    finished.assert_code(32);
    before.with_times_of_access(&left).assert_unchanged(&left);
    finished.assert_says("nothing was deleted");
}

/// The agent after the verdict, and before it has said so.
fn a_sender_that_is_killed_deletes_nothing() {
    let (moving, before) = something();
    moving.before_the_verdict(
        "for status in /proc/[0-9]*/status; do
            if grep -qs '^Name:.qfile-agent$' \"$status\" && \
                grep -qsxFz 'd' \"${status%status}cmdline\" && \
                [ \"$(readlink \"${status%status}cwd\")\" = \"$PWD\" ]; then
                pid=${status#/proc/}; kill -9 \"${pid%/status}\"
            fi
        done",
    );
    let moved = moving.run(&["d", "h"]);
    moved.assert_nothing_deleted(1, &before.with_times_of_access(&moved.left));
}

fn the_status_of_the_service_does_not_undo_a_confirmation() {
    for status in [1, 3, 126] {
        let moving = Moving::new();
        moving.file("d/f", "content");
        moving.set_service(&format!(
            "'{}' || exit\nexit {status}",
            program("qfile-unpacker").display()
        ));
        moving.run(&["d"]).assert_all_gone();
        assert_eq!(moving.arrived().paths(), ["d", "d/f"]);
    }
}
