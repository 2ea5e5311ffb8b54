//! What the commands of people inherit from whatever started them: ignored signals, a stderr that
//! cannot be written to, a wish for a log.

use std::fs::{self, File};
use std::process::Stdio;

use qfile_tests::editing::{Editing, NEW};
use qfile_tests::fifo;
use qfile_tests::inherits::{ignoring, needs_ignoring_env};
use qfile_tests::moving::Moving;
use qfile_tests::process::{Running, run};
use qfile_tests::suite;
use rustix::process::{Pid, Signal, kill_process};

suite! {
    an_edit_comes_back_where_the_parent_ignores_that_children_end [needs_ignoring_env],
    a_move_is_made_where_the_parent_ignores_that_children_end [needs_ignoring_env],
    an_edit_outlives_its_terminal_under_nohup [needs_ignoring_env],
    a_log_that_cannot_be_written_is_no_reason_to_fail,
    a_wish_for_a_log_that_is_none_is_no_reason_to_fail,
}

fn an_edit_comes_back_where_the_parent_ignores_that_children_end() {
    let editing = Editing::with_an_edit();
    let opened = run(ignoring("CHLD", &editing.command_in_target(&[])));
    opened.assert_code(0);
    assert_eq!(opened.stderr(), "");
    editing.assert_only(NEW);
}

fn a_move_is_made_where_the_parent_ignores_that_children_end() {
    let moving = Moving::new();
    moving.file("d/f", "content");
    let moved = moving.run_command(ignoring("CHLD", &moving.command(&["d"])));
    moved.assert_all_gone();
}

fn an_edit_outlives_its_terminal_under_nohup() {
    let editing = Editing::new();
    for gate in ["edited", "closed"] {
        fifo::make(&editing.elsewhere(gate));
    }
    editing.editor(
        "echo > \"$WORK/edited\"; read -r _ < \"$WORK/closed\"; echo 'new content' > \"$1\"",
    );
    let mut command = ignoring("HUP", &editing.command_in_target(&[]));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let running = Running::start(command);
    fs::read(editing.elsewhere("edited")).unwrap();
    kill_process(Pid::from_child(&running.child), Signal::HUP).unwrap();
    fs::write(editing.elsewhere("closed"), "\n").unwrap();
    running.finish().assert_code(0);
    editing.assert_only(NEW);
}

/// Edits where stderr is a full device, which fails every write.
#[track_caller]
fn assert_edited_without_stderr(log: &str) {
    let editing = Editing::with_an_edit();
    let mut command = editing.command_in_target(&[]);
    command
        .env("RUST_LOG", log)
        .stdin(Stdio::null())
        .stderr(File::options().write(true).open("/dev/full").unwrap());
    assert_eq!(command.status().unwrap().code(), Some(0));
    editing.assert_only(NEW);
}

fn a_log_that_cannot_be_written_is_no_reason_to_fail() {
    assert_edited_without_stderr("debug");
}

fn a_wish_for_a_log_that_is_none_is_no_reason_to_fail() {
    assert_edited_without_stderr("[[");
}
